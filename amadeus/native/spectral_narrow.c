/* The spectral loss of many frames at once, one in each lane; for short frames.
 *
 * The target is the real part of a complex signal and the audio its imaginary part, so one transform serves both; and two
 * vectors of frames share one transform on the way back.
 */
#include <stdlib.h>

#include "spectral.h"

#define COLUMN (LANES + OVERLAPS - 1)

typedef struct {
    vc *spectrum, *spare, *pulls; /* [size], [size], [2][size / 2 + 1] */
} desk_t;

size_t amadeus_narrow_memory(const scale_t *s) { return sizeof(vc) * (3 * (size_t)s->size + 2); }

typedef struct {
    vf target, audio;
} sizes_t;

/* Samples j, j + hop, j + 2 hop ... of a row from frame `first` on: with OVERLAPS frames over each sample, points j,
 * j + hop ... of LANES frames are LANES neighbours of these, each time one further. */
INLINE void pick(float *column, const float *row, const scale_t *s, int first, int j) {
    const long begin = (long)first * s->hop + j;
    if (begin + (long)(COLUMN - 1) * s->hop < s->n_samples) {
        for (int i = 0; i < COLUMN; i++) column[i] = row[begin + (long)i * s->hop];
        return;
    }
    for (int i = 0; i < COLUMN; i++) {
        long place = begin + (long)i * s->hop;
        column[i] = place < s->n_samples ? row[place] : 0;
    }
}

/* Windowed frames: lane l of point i is sample i of frame first + l; the target is real, the audio imaginary. Each is
 * divided by the sum of its absolute samples, which is returned. */
INLINE sizes_t gather(vc *to, const scale_t *s, int row, int first) {
    const float *target = s->target + (long)row * s->n_samples, *audio = s->audio + (long)row * s->n_samples;
    sizes_t sum = {{0}, {0}};
    for (int j = 0; j < s->hop; j++) {
        float re[COLUMN], im[COLUMN];
        pick(re, target, s, first, j), pick(im, audio, s, first, j);
        for (int overlap = 0; overlap < OVERLAPS; overlap++) {
            vf x = load(re + overlap), y = load(im + overlap);
            sum.target += absolute(x), sum.audio += absolute(y);
            int i = overlap * s->hop + j;
            to[i] = (vc){x * s->window[i], y * s->window[i]};
        }
    }
    vf to_target = inverse_of_sum(sum.target), to_audio = inverse_of_sum(sum.audio);
    for (int i = 0; i < s->size; i++) to[i] = (vc){to[i].re * to_target, to[i].im * to_audio};
    return sum;
}

/* Distances of LANES frames, and the pulls on the audio's spectrum. */
INLINE vf compare(vc *pulls, const vc *z, const scale_t *s, sizes_t sizes) {
    vf to_target = 0.5f * sizes.target, to_audio = 0.5f * sizes.audio, distance = fill(0.0f);
    for (int k = 0; k <= s->size / 2; k++) {
        vc a = z[k], b = z[(s->size - k) & (s->size - 1)];
        vc wanted = {to_target * (a.re + b.re), to_target * (a.im - b.im)};
        vc heard = {to_audio * (a.im + b.im), to_audio * (b.re - a.re)};
        distance += compare_bins(pulls + k, wanted, heard, s);
    }
    return distance;
}

/* Two sets of pulls as one spectrum whose transform is real for the one and imaginary for the other. */
INLINE void join(vc *to, const vc *a, const vc *b, int size) {
    int half = size / 2;
    to[0] = (vc){a[0].re, b[0].re};
    to[half] = (vc){a[half].re, b[half].re};
    for (int k = 1; k < half; k++) {
        to[k] = (vc){0.5f * (a[k].re - b[k].im), 0.5f * (a[k].im + b[k].re)};
        to[size - k] = (vc){0.5f * (a[k].re + b[k].im), 0.5f * (b[k].re - a[k].im)};
    }
}

/* Adds 2 * LANES windowed frames from `first` on to where they came from; what they add beyond the end is unheard. */
INLINE void lay(float *slopes, const vc *frames, const scale_t *s, int first) {
    for (int part = 0; part < 2; part++) {
        for (int j = 0; j < s->hop; j++) {
            float column[COLUMN] = {0};
            for (int overlap = 0; overlap < OVERLAPS; overlap++) {
                int i = overlap * s->hop + j;
                vf points = (part ? frames[i].im : frames[i].re) * s->window[i];
                store(column + overlap, load(column + overlap) + points);
            }
            long begin = (long)(first + part * LANES) * s->hop + j;
            for (int i = 0; i < COLUMN; i++) {
                long place = begin + (long)i * s->hop;
                if (place < s->n_samples) slopes[place] += column[i];
            }
        }
    }
}

INLINE vf compare_frames(const scale_t *s, desk_t *desk, int row, int first, float *slopes) {
    vf sums = fill(0.0f);
    for (int part = 0; part < 2; part++) {
        sizes_t sizes = gather(desk->spectrum, s, row, first + part * LANES);
        vc *z = transform_lanes(desk->spectrum, desk->spare, s->size, s->roots, 1, -1.0f);
        /* frames that are not there are silent in both, and silence is like silence */
        sums += compare(desk->pulls + part * (s->size / 2 + 1), z, s, sizes);
    }
    if (!slopes) return sums;
    join(desk->spectrum, desk->pulls, desk->pulls + s->size / 2 + 1, s->size);
    lay(slopes, transform_lanes(desk->spectrum, desk->spare, s->size, s->roots, 1, 1.0f), s, first);
    return sums;
}

double amadeus_compare_narrow(const scale_t *s, void *memory, int row, float *slopes) {
    desk_t desk = {.spectrum = memory, .spare = (vc *)memory + s->size, .pulls = (vc *)memory + 2 * s->size};
    double distance = 0;
    for (int frame = 0; frame < s->n_frames; frame += 2 * LANES)
        distance += total(compare_frames(s, &desk, row, frame, slopes));
    return distance;
}
