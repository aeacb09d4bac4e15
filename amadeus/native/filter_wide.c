/* The filter of filter.c by transforms, for long blocks and many taps.
 *
 * Of two real signals x and h in one transform z = x + i h, with z' its mirror image (point size - k for point k),
 *
 *     the product of both spectra is (z^2 - conj(z')^2) / 4 i, and
 *     that of the first with the conjugate of the second Im(z z') / 2 + i (|z|^2 - |z'|^2) / 4.
 *
 * Two blocks share a transform on the way back, as real and imaginary part.
 */
#include <stdlib.h>

#include "filter.h"

typedef struct {
    float *re, *im;         /* [size + LANES]; of a spectrum, point `size` is point 0 */
    float *sum_re, *sum_im; /* [size] */
    vc *spare;
} desk_t;

static int lay_out(desk_t *desk, int size) {
    float *memory = aligned_alloc(64, sizeof(float) * (6 * (size_t)size + 2 * LANES + 32) / 64 * 64);
    *desk = (desk_t){.spare = (vc *)memory};
    if (!memory) return 0;
    desk->re = memory + 2 * size, desk->im = desk->re + size + LANES;
    desk->sum_re = desk->im + size + LANES, desk->sum_im = desk->sum_re + size;
    return 1;
}

/* Copies samples, zeros after them, made to add up to 1 in absolute value: rounding lets the two signals of a transform
 * leak into each other, and so neither drowns the other. Returns what they added up to. */
INLINE float fetch(float *to, const float *from, int n, int size) {
    vf sums = {0};
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
        vf x = load(from + i);
        sums += absolute(x);
    }
    vf rest = load_some(from + i, n - i);
    const float sum = total(sums + absolute(rest)), scale = sum == 0 ? 1 : 1 / sum;
    memset(to + i, 0, sizeof(float) * (size - i));
    for (int j = 0; j < n; j++) to[j] = from[j] * scale;
    return sum;
}

INLINE vc product(vc z, vc mirror) {
    vf re = z.re * z.re - z.im * z.im - mirror.re * mirror.re + mirror.im * mirror.im;
    vf im = 2.0f * (z.re * z.im + mirror.re * mirror.im);
    return (vc){0.25f * im, -0.25f * re};
}

INLINE vc product_with_conjugate(vc z, vc mirror) {
    vf difference = z.re * z.re + z.im * z.im - mirror.re * mirror.re - mirror.im * mirror.im;
    return (vc){0.5f * (z.re * mirror.im + z.im * mirror.re), 0.25f * difference};
}

/* Transforms the two signals on the desk and lays the product of their spectra, times `scale`, into the sums: the first
 * block's as it is, the second's a quarter turn further. */
INLINE void multiply(desk_t *desk, const wide_t *w, float scale, vc (*const by)(vc, vc), const int is_second) {
    transform_wide(desk->re, desk->im, desk->spare, w, -1.0f);
    desk->re[w->size] = desk->re[0], desk->im[w->size] = desk->im[0];
    for (int k = 0; k < w->size; k += LANES) {
        const int at = w->size - k - (LANES - 1);
        vc z = {load(desk->re + k), load(desk->im + k)};
        vc mirror = {reverse(load(desk->re + at)), reverse(load(desk->im + at))};
        vc y = by(z, mirror);
        if (!is_second) {
            store(desk->sum_re + k, scale * y.re), store(desk->sum_im + k, scale * y.im);
            continue;
        }
        store(desk->sum_re + k, load(desk->sum_re + k) - scale * y.im);
        store(desk->sum_im + k, load(desk->sum_im + k) + scale * y.re);
    }
}

INLINE void add(float *to, const float *from, int n) {
    for (int i = 0; i < n; i++) to[i] += from[i];
}

void amadeus_filter_wide(filter_t *f, int first, int last) {
    const int size = f->wide.size, n_out = f->block_size + f->n_taps - 1;
    desk_t desk;
    if (!lay_out(&desk, size)) {
        f->failed = 1;
        return;
    }
    for (int row = first; row < last; row++) {
        float *out = f->filtered + (long)row * f->n_ringing;
        for (int block = 0; block < f->n_blocks; block += 2) {
            const int n = block + 1 < f->n_blocks ? 2 : 1;
            for (int i = 0; i < n; i++) {
                const long place = (long)row * f->n_blocks + block + i;
                float scale = fetch(desk.re, f->sound + place * f->block_size, f->block_size, size);
                scale *= fetch(desk.im, f->taps + place * f->n_taps, f->n_taps, size) / size;
                if (i) multiply(&desk, &f->wide, scale, product, 1);
                else multiply(&desk, &f->wide, scale, product, 0);
            }
            transform_wide(desk.sum_re, desk.sum_im, desk.spare, &f->wide, 1.0f);
            add(out + (long)block * f->block_size, desk.sum_re, n_out);
            if (n == 2) add(out + (long)(block + 1) * f->block_size, desk.sum_im, n_out);
        }
    }
    free(desk.spare);
}

void amadeus_taps_wide(filter_t *f, int first, int last) {
    const int size = f->wide.size, n_heard = f->block_size + f->n_taps - 1;
    desk_t desk;
    if (!lay_out(&desk, size)) {
        f->failed = 1;
        return;
    }
    for (int row = first; row < last; row++) {
        for (int block = 0; block < f->n_blocks; block += 2) {
            const int n = block + 1 < f->n_blocks ? 2 : 1;
            const long place = (long)row * f->n_blocks + block;
            for (int i = 0; i < n; i++) {
                const float *heard = f->upstream + (long)row * f->n_ringing + (long)(block + i) * f->block_size;
                float scale = fetch(desk.re, heard, n_heard, size);
                scale *= fetch(desk.im, f->sound + (place + i) * f->block_size, f->block_size, size) / size;
                if (i) multiply(&desk, &f->wide, scale, product_with_conjugate, 1);
                else multiply(&desk, &f->wide, scale, product_with_conjugate, 0);
            }
            transform_wide(desk.sum_re, desk.sum_im, desk.spare, &f->wide, 1.0f);
            float *to_taps = f->to_taps + place * f->n_taps;
            memcpy(to_taps, desk.sum_re, sizeof(float) * f->n_taps);
            if (n == 2) memcpy(to_taps + f->n_taps, desk.sum_im, sizeof(float) * f->n_taps);
        }
    }
    free(desk.spare);
}
