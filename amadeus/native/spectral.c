/* The multi-scale spectral loss and its slope, scale by scale.
 *
 * The equations are those of amadeus/dsp/spectral_loss.py. A vector holds frames side by side, so the transforms need
 * no shuffling; the target is the real part of a complex signal and the audio its imaginary part, so one transform
 * serves both; and two vectors of frames share one transform on the way back.
 */
#include <math.h>
#include <stdlib.h>

#include "team.h"
#include "vector.h"

#define QUIET 1e-5f /* what the logarithm of silence is taken of */

typedef struct {
    vf re, im;
} vc;

typedef struct {
    int n_batch, n_samples, size, hop, n_frames;
    const float *target, *audio; /* [n_batch, n_samples] */
    float mag_weight, logmag_weight;
    float share; /* share: of one bin of one frame in the mean */
    float floor; /* added to each magnitude before its logarithm is taken */
    double *distances;  /* [n_batch], added to */
    float *slopes;      /* [n_batch, n_samples], added to; none where null */
    const float *roots; /* cosines and sines of 2 pi k / size, [size][2] */
    const float *window;
} scale_t;

#define OVERLAPS 4 /* frames over each sample */
#define COLUMN (LANES + OVERLAPS - 1)

typedef struct {
    vc *spectrum, *spare, *pulls; /* [size], [size], [2][size / 2 + 1] */
} desk_t;

/* A step of Stockham's transform with radix 4: from n_done finished points to four times as many. Root k of `size` is
 * root k * stride of the table. */
INLINE void radix4(vc *to, const vc *from, int size, int n_done, const float *roots, int stride, const float sign) {
    int quarter = size / 4, n_groups = quarter / n_done;
    for (int g = 0; g < n_groups; g++) {
        int step = g * n_done * stride;
        float c1 = roots[2 * step], s1 = sign * roots[2 * step + 1];
        float c2 = roots[4 * step], s2 = sign * roots[4 * step + 1];
        float c3 = c1 * c2 - s1 * s2, s3 = s1 * c2 + c1 * s2;
        for (int q = 0; q < n_done; q++) {
            const vc *x = from + q + n_done * g;
            vc a = x[0], b = x[quarter], c = x[2 * quarter], d = x[3 * quarter];
            vc ac = {a.re + c.re, a.im + c.im}, a_c = {a.re - c.re, a.im - c.im};
            vc bd = {b.re + d.re, b.im + d.im};
            vc turned = {-sign * (b.im - d.im), sign * (b.re - d.re)};
            vc y1 = {a_c.re + turned.re, a_c.im + turned.im}, y3 = {a_c.re - turned.re, a_c.im - turned.im};
            vc y2 = {ac.re - bd.re, ac.im - bd.im};
            vc *y = to + q + n_done * 4 * g;
            y[0] = (vc){ac.re + bd.re, ac.im + bd.im};
            y[n_done] = (vc){y1.re * c1 - y1.im * s1, y1.re * s1 + y1.im * c1};
            y[2 * n_done] = (vc){y2.re * c2 - y2.im * s2, y2.re * s2 + y2.im * c2};
            y[3 * n_done] = (vc){y3.re * c3 - y3.im * s3, y3.re * s3 + y3.im * c3};
        }
    }
}

INLINE void radix2(vc *to, const vc *from, int size) {
    int half = size / 2;
    for (int q = 0; q < half; q++) {
        vc a = from[q], b = from[q + half];
        to[q] = (vc){a.re + b.re, a.im + b.im};
        to[q + half] = (vc){a.re - b.re, a.im - b.im};
    }
}

/* The transform of `data`, with e^(sign i ...), not scaled; says which of the two arrays holds it. */
INLINE vc *transform_small(vc *data, vc *spare, int size, const float *roots, int stride, const float sign) {
    int n_done = 1;
    while (n_done < size) {
        if (4 * n_done <= size) {
            radix4(spare, data, size, n_done, roots, stride, sign);
            n_done *= 4;
        } else {
            radix2(spare, data, size);
            n_done *= 2;
        }
        vc *swap = data;
        data = spare, spare = swap;
    }
    return data;
}

#define COLUMNS 64 /* of a large transform: what fits the nearest cache, twice */

/* A large transform as small ones, along columns and then along rows: each point is fetched from afar twice instead of
 * once for every step. (Bailey, "FFTs in external or hierarchical memory", 1990.) */
INLINE vc *transform_large(vc *data, vc *spare, int size, const float *roots, const float sign) {
    int n_rows = size / COLUMNS;
    vc one[COLUMNS], other[COLUMNS];
    for (int column = 0; column < COLUMNS; column++) {
        for (int row = 0; row < n_rows; row++) one[row] = data[column + COLUMNS * row];
        const vc *done = transform_small(one, other, n_rows, roots, COLUMNS, sign);
        for (int k = 0; k < n_rows; k++) {
            float c = roots[2 * column * k], s = sign * roots[2 * column * k + 1];
            vc x = done[k];
            spare[column + COLUMNS * k] = (vc){x.re * c - x.im * s, x.re * s + x.im * c};
        }
    }
    for (int row = 0; row < n_rows; row++) {
        for (int column = 0; column < COLUMNS; column++) one[column] = spare[COLUMNS * row + column];
        const vc *done = transform_small(one, other, COLUMNS, roots, n_rows, sign);
        for (int k = 0; k < COLUMNS; k++) data[row + n_rows * k] = done[k];
    }
    return data;
}

#define LARGE 1024

INLINE vc *transform(vc *data, vc *spare, int size, const float *roots, const float sign) {
    if (size < LARGE || size > COLUMNS * COLUMNS) return transform_small(data, spare, size, roots, 1, sign);
    return transform_large(data, spare, size, roots, sign);
}

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
 * divided by the sum of its absolute samples, which is returned: rounding lets one leak into the other, and so it is
 * as far below a soft one as below a loud one. */
INLINE sizes_t gather(vc *to, const scale_t *s, int row, int first) {
    const float *target = s->target + (long)row * s->n_samples, *audio = s->audio + (long)row * s->n_samples;
    sizes_t sum = {{0}, {0}};
    for (int j = 0; j < s->hop; j++) {
        float re[COLUMN], im[COLUMN];
        pick(re, target, s, first, j), pick(im, audio, s, first, j);
        for (int overlap = 0; overlap < OVERLAPS; overlap++) {
            vf x = load(re + overlap), y = load(im + overlap);
            sum.target += maximum(x, -x), sum.audio += maximum(y, -y);
            int i = overlap * s->hop + j;
            to[i] = (vc){x * s->window[i], y * s->window[i]};
        }
    }
    vf to_target = 1.0f / choose(sum.target == 0.0f, fill(1.0f), sum.target);
    vf to_audio = 1.0f / choose(sum.audio == 0.0f, fill(1.0f), sum.audio);
    for (int i = 0; i < s->size; i++) to[i] = (vc){to[i].re * to_target, to[i].im * to_audio};
    return sum;
}

typedef struct {
    vf value, inverse; /* of silence: 0, and 1 / QUIET */
} magnitude_t;

INLINE magnitude_t magnitude(vf re, vf im) {
    vf square = re * re + im * im, inverse = inverse_root(square);
    vi is_silent = square < 1e-36f;
    return (magnitude_t){choose(is_silent, fill(0.0f), square * inverse),
                         choose(is_silent, fill(1.0f / QUIET), inverse)};
}

/* Distances of LANES frames, and the pulls on the audio's spectrum. */
INLINE vf compare(vc *pulls, const vc *z, const scale_t *s, sizes_t sizes) {
    int half = s->size / 2;
    vf to_target = 0.5f * sizes.target, to_audio = 0.5f * sizes.audio;
    vf distance = fill(0.0f), log_distance = fill(0.0f), quiet = fill(s->floor > 0 ? 0.0f : QUIET);
    for (int k = 0; k <= half; k++) {
        vc a = z[k], b = z[(s->size - k) & (s->size - 1)];
        vf re = to_audio * (a.im + b.im), im = to_audio * (b.re - a.re);
        magnitude_t target = magnitude(to_target * (a.re + b.re), to_target * (a.im - b.im));
        magnitude_t audio = magnitude(re, im);
        vf difference = audio.value - target.value;
        vf heard = s->floor + choose(audio.value == 0.0f, quiet, audio.value);
        vf wanted = s->floor + choose(target.value == 0.0f, quiet, target.value);
        vf inverse_product = 1.0f / (heard * wanted);
        vf log_difference = logarithm(heard * heard * inverse_product);
        distance += maximum(difference, -difference);
        log_distance += maximum(log_difference, -log_difference);
        vf log_slope = minimum(wanted * inverse_product, fill(1.0f / QUIET));
        vf inverse = minimum(audio.inverse, fill(1.0f / QUIET));
        vf slope = s->share * inverse * (s->mag_weight + s->logmag_weight * log_slope);
        slope = choose(difference > 0.0f, slope, choose(difference < 0.0f, -slope, fill(0.0f)));
        pulls[k] = (vc){re * slope, im * slope};
    }
    return s->mag_weight * distance + s->logmag_weight * log_distance;
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

/* Adds 2 * LANES windowed frames from `first` on to where they came from; what they add beyond the end is zero or unheard. */
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

INLINE void compare_frames(const scale_t *s, desk_t *desk, int row, int first, float *slopes, double *distance) {
    vf sums = fill(0.0f);
    for (int part = 0; part < 2; part++) {
        sizes_t sizes = gather(desk->spectrum, s, row, first + part * LANES);
        vc *z = transform(desk->spectrum, desk->spare, s->size, s->roots, -1.0f);
        /* frames that are not there are silent in both, and silence is like silence */
        sums += compare(desk->pulls + part * (s->size / 2 + 1), z, s, sizes);
    }
    *distance += total(sums);
    if (!slopes) return;
    join(desk->spectrum, desk->pulls, desk->pulls + s->size / 2 + 1, s->size);
    lay(slopes, transform(desk->spectrum, desk->spare, s->size, s->roots, 1.0f), s, first);
}

typedef struct {
    const scale_t *scales;
    int n_scales, failed;
} loss_t;

static void compare_share(void *task, team_t *team, int number) {
    loss_t *loss = task;
    int max_size = 0, n_samples = loss->scales->n_samples, first, last;
    for (int i = 0; i < loss->n_scales; i++)
        if (loss->scales[i].size > max_size) max_size = loss->scales[i].size;
    vc *memory = aligned_alloc(64, sizeof(vc) * (3 * (size_t)max_size + 2));
    if (!memory) {
        loss->failed = 1;
        return;
    }
    team_share(team, number, loss->scales->n_batch, &first, &last);
    for (int row = first; row < last; row++) {
        for (int i = 0; i < loss->n_scales; i++) {
            const scale_t *s = loss->scales + i;
            desk_t desk = {.spectrum = memory, .spare = memory + s->size, .pulls = memory + 2 * s->size};
            double distance = 0;
            float *slopes = s->slopes ? s->slopes + (long)row * n_samples : 0;
            for (int frame = 0; frame < s->n_frames; frame += 2 * LANES)
                compare_frames(s, &desk, row, frame, slopes, &distance);
            s->distances[row] += (double)s->share * distance;
        }
    }
    free(memory);
}

static void make_tables(float *roots, float *window, int size) {
    for (int k = 0; k < size; k++) {
        double angle = 2 * M_PI * k / size;
        roots[2 * k] = (float)cos(angle), roots[2 * k + 1] = (float)sin(angle);
        window[k] = (float)(0.5 - 0.5 * cos(angle));
    }
}

/* target, audio, slopes [n_batch, n_samples]; sizes are powers of two from 64 on; distances [n_batch] and slopes are zeros when
 * they come in, and slopes may be null. Returns 0, or 1 where memory is short. */
int amadeus_spectral_distances(int n_batch, int n_samples, const float *target, const float *audio,
                               const int *sizes, int n_sizes, float mag_weight, float logmag_weight, float floor,
                               double *distances, float *slopes, int n_threads) {
    size_t n_table = 0;
    for (int i = 0; i < n_sizes; i++) n_table += 3 * (size_t)sizes[i];
    scale_t scales[n_sizes];
    float *tables = malloc(sizeof(float) * n_table), *table = tables;
    if (!tables) return 1;
    for (int i = 0; i < n_sizes; i++) {
        int size = sizes[i], hop = size / OVERLAPS, n_frames = (n_samples + hop - 1) / hop;
        make_tables(table, table + 2 * size, size);
        scales[i] = (scale_t){.n_batch = n_batch, .n_samples = n_samples, .size = size, .hop = hop,
                              .n_frames = n_frames, .target = target, .audio = audio, .mag_weight = mag_weight,
                              
                              .logmag_weight = logmag_weight, .floor = floor * sqrtf(0.375f * size), .share = 1.0f / ((float)n_frames * (size / 2 + 1)),
                              .distances = distances, .slopes = slopes, .roots = table,
                              .window = table + 2 * size};
        table += 3 * size;
    }
    loss_t loss = {.scales = scales, .n_scales = n_sizes};
    team_run(n_batch < n_threads ? n_batch : n_threads, compare_share, &loss);
    free(tables);
    return loss.failed;
}
