/* The spectral loss of one frame after the other, with neighbouring samples in a vector; for long frames.
 *
 * The target is the real part of a complex signal and the audio its imaginary part, so one transform serves both, and two
 * frames share one transform on the way back.
 */
#include <stdlib.h>

#include "spectral.h"

typedef struct {
    float *re, *im;             /* [size + LANES]; of a spectrum, point `size` is point 0 */
    float *pulls_re, *pulls_im; /* [2][size / 2 + LANES] */
    vc *spare;
} desk_t;

size_t amadeus_wide_memory(const scale_t *s) {
    return sizeof(float) * (2 * ((size_t)s->size + LANES) + 4 * ((size_t)s->size / 2 + LANES) + 2 * (size_t)s->size);
}

INLINE desk_t lay_out(float *memory, int size) {
    desk_t desk = {.spare = (vc *)memory};
    desk.re = memory + 2 * size, desk.im = desk.re + size + LANES;
    desk.pulls_re = desk.im + size + LANES, desk.pulls_im = desk.pulls_re + size + 2 * LANES;
    return desk;
}

/* Windowed samples of a frame; returns the sum of the absolute ones. What is beyond the end is silent. */
INLINE vf cut(float *to, const float *row, const scale_t *s, int frame) {
    const long begin = (long)frame * s->hop;
    vf sum = fill(0.0f);
    for (int i = 0; i < s->size; i += LANES) {
        long left = s->n_samples - begin - i;
        vf x = left >= LANES ? load(row + begin + i) : left > 0 ? load_some(row + begin + i, left) : fill(0.0f);
        sum += absolute(x);
        store(to + i, x * load(s->window + i));
    }
    return fill(total(sum));
}

INLINE void scale(float *samples, int size, vf by) {
    for (int i = 0; i < size; i += LANES) store(samples + i, load(samples + i) * by);
}

/* The distance of a frame, and the pulls on its spectrum. */
INLINE vf compare_frame(const scale_t *s, desk_t *desk, int row, int frame, float *pulls_re, float *pulls_im) {
    const int size = s->size, half = size / 2;
    vf target = cut(desk->re, s->target + (long)row * s->n_samples, s, frame);
    vf audio = cut(desk->im, s->audio + (long)row * s->n_samples, s, frame);
    scale(desk->re, size, inverse_of_sum(target)), scale(desk->im, size, inverse_of_sum(audio));
    transform_wide(desk->re, desk->im, desk->spare, &s->wide, -1.0f);
    desk->re[size] = desk->re[0], desk->im[size] = desk->im[0];
    vf to_target = 0.5f * target, to_audio = 0.5f * audio, distance = fill(0.0f), last = distance;
    for (int k = 0; k <= half; k += LANES) {
        const int mirror = size - k - (LANES - 1);
        vc a = {load(desk->re + k), load(desk->im + k)};
        vc b = {reverse(load(desk->re + mirror)), reverse(load(desk->im + mirror))}, pull;
        vc wanted = {to_target * (a.re + b.re), to_target * (a.im - b.im)};
        vc heard = {to_audio * (a.im + b.im), to_audio * (b.re - a.re)};
        last = compare_bins(&pull, wanted, heard, s);
        if (k < half) distance += last;
        store(pulls_re + k, pull.re), store(pulls_im + k, pull.im);
    }
    distance[0] += last[0]; /* Nyquist; its neighbours were there before */
    return distance;
}

/* Two sets of pulls as one spectrum whose transform is real for the one and imaginary for the other. */
INLINE void join(const desk_t *desk, int size) {
    const int half = size / 2;
    const float *a_re = desk->pulls_re, *b_re = a_re + half + LANES;
    const float *a_im = desk->pulls_im, *b_im = a_im + half + LANES;
    for (int k = 0; k < half; k += LANES) {
        const int mirror = size - k - (LANES - 1);
        vc a = {load(a_re + k), load(a_im + k)}, b = {load(b_re + k), load(b_im + k)};
        store(desk->re + k, 0.5f * (a.re - b.im)), store(desk->im + k, 0.5f * (a.im + b.re));
        store(desk->re + mirror, reverse(0.5f * (a.re + b.im)));
        store(desk->im + mirror, reverse(0.5f * (b.re - a.im)));
    }
    desk->re[0] = a_re[0], desk->im[0] = b_re[0];
    desk->re[half] = a_re[half], desk->im[half] = b_re[half];
}

/* Adds a windowed frame to where it came from. */
INLINE void lay(float *slopes, const float *frame, const scale_t *s, int number) {
    const long begin = (long)number * s->hop;
    for (int i = 0; i < s->size; i += LANES) {
        long left = s->n_samples - begin - i;
        if (left <= 0) return;
        float *at = slopes + begin + i;
        vf x = load(frame + i) * load(s->window + i);
        if (left >= LANES) store(at, load(at) + x);
        else store_some(at, load_some(at, left) + x, left);
    }
}

double amadeus_compare_wide(const scale_t *s, void *memory, int row, float *slopes) {
    desk_t desk = lay_out(memory, s->size);
    const int next = s->size / 2 + LANES;
    double distance = 0;
    for (int frame = 0; frame < s->n_frames; frame += 2) {
        /* a frame that is not there is silent in both, and silence is like silence */
        vf sum = compare_frame(s, &desk, row, frame, desk.pulls_re, desk.pulls_im);
        sum += compare_frame(s, &desk, row, frame + 1, desk.pulls_re + next, desk.pulls_im + next);
        distance += total(sum);
        if (!slopes) continue;
        join(&desk, s->size);
        transform_wide(desk.re, desk.im, desk.spare, &s->wide, 1.0f);
        lay(slopes, desk.re, s, frame), lay(slopes, desk.im, s, frame + 1);
    }
    return distance;
}
