/* Complex Fourier transforms of powers of two, many side by side or one at a time.
 *
 * A vector holds points of as many transforms as it has lanes, so these need no shuffling. One large transform is made of
 * small ones, along columns and then along rows, with as many columns or rows in a vector; so it stays in the nearest
 * caches, which the large transforms of many sounds at once do not. (Bailey, "FFTs in external or hierarchical memory",
 * 1990.)
 */
#ifndef AMADEUS_FOURIER_H
#define AMADEUS_FOURIER_H

#include <math.h>
#include <stddef.h>

#include "vector.h"

typedef struct {
    vf re, im;
} vc;

/* Cosines and sines of 2 pi k / size, [size][2]. */
static inline void make_roots(float *roots, int size) {
    for (int k = 0; k < size; k++) {
        double angle = 2 * M_PI * k / size;
        roots[2 * k] = (float)cos(angle), roots[2 * k + 1] = (float)sin(angle);
    }
}

INLINE vc plus(vc a, vc b) { return (vc){a.re + b.re, a.im + b.im}; }
INLINE vc minus(vc a, vc b) { return (vc){a.re - b.re, a.im - b.im}; }

/* A quarter turn of a - b, forward or back. */
INLINE vc turned_difference(vc a, vc b, const float sign) {
    return sign > 0 ? (vc){b.im - a.im, a.re - b.re} : (vc){a.im - b.im, b.re - a.re};
}

INLINE vc turn_by(vc x, float cosine, float sine) {
    return (vc){x.re * cosine - x.im * sine, x.re * sine + x.im * cosine};
}

/* A step of Stockham's transform with radix 4: from n_done finished points to four times as many. Root k of `size` is
 * root k * stride of the table. */
INLINE void radix4(vc *to, const vc *from, int size, int n_done, const float *roots, int stride, const float sign) {
    const int quarter = size / 4, n_groups = quarter / n_done;
    for (int g = 0; g < n_groups; g++) {
        const int step = g * n_done * stride;
        float c1 = roots[2 * step], s1 = sign * roots[2 * step + 1];
        float c2 = roots[4 * step], s2 = sign * roots[4 * step + 1];
        float c3 = c1 * c2 - s1 * s2, s3 = s1 * c2 + c1 * s2;
        for (int q = 0; q < n_done; q++) {
            const vc *x = from + q + n_done * g;
            vc a = x[0], b = x[quarter], c = x[2 * quarter], d = x[3 * quarter], *y = to + q + n_done * 4 * g;
            vc ac = plus(a, c), a_c = minus(a, c), bd = plus(b, d), turned = turned_difference(b, d, sign);
            y[0] = plus(ac, bd);
            y[n_done] = turn_by(plus(a_c, turned), c1, s1);
            y[2 * n_done] = turn_by(minus(ac, bd), c2, s2);
            y[3 * n_done] = turn_by(minus(a_c, turned), c3, s3);
        }
    }
}

/* The last step, which turns nothing. */
INLINE void radix4_last(vc *to, const vc *from, int size, const float sign) {
    const int quarter = size / 4;
    for (int q = 0; q < quarter; q++) {
        const vc *x = from + q;
        vc a = x[0], b = x[quarter], c = x[2 * quarter], d = x[3 * quarter], *y = to + q;
        vc ac = plus(a, c), a_c = minus(a, c), bd = plus(b, d), turned = turned_difference(b, d, sign);
        y[0] = plus(ac, bd), y[quarter] = plus(a_c, turned);
        y[2 * quarter] = minus(ac, bd), y[3 * quarter] = minus(a_c, turned);
    }
}

INLINE void radix2(vc *to, const vc *from, int size) {
    int half = size / 2;
    for (int q = 0; q < half; q++) {
        vc a = from[q], b = from[q + half];
        to[q] = plus(a, b), to[q + half] = minus(a, b);
    }
}

/* The transforms of `data` [size], one in each lane, with e^(sign i ...), not scaled; says which of the two arrays holds
 * them. `roots`: cosines and sines of 2 pi k / (size * stride), [size * stride][2]. */
INLINE vc *transform_lanes(vc *data, vc *spare, int size, const float *roots, int stride, const float sign) {
    int n_done = 1;
    while (n_done < size) {
        if (4 * n_done == size) {
            radix4_last(spare, data, size, sign);
            n_done *= 4;
        } else if (4 * n_done < size) {
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

#define MAX_SIDE 128
#define MIN_WIDE (LANES * LANES)
#define MAX_WIDE (MAX_SIDE * MAX_SIDE)

/* A transform of `size` points, between MIN_WIDE and MAX_WIDE, as a table of them: n_rows by n_columns. */
typedef struct {
    int size, n_rows, n_columns;
    const float *roots;        /* cosines and sines of 2 pi k / size, [size][2] */
    const float *cosine, *sine; /* of 2 pi row column / size, [n_rows, n_columns] */
} wide_t;

/* Floats of the tables of a transform. */
#define WIDE_TABLE(size) (4 * (size_t)(size))

static inline wide_t make_wide(float *tables, int size) {
    float *cosine = tables + 2 * size, *sine = cosine + size;
    int n_columns = LANES;
    while (4 * n_columns * n_columns <= size) n_columns *= 2;
    make_roots(tables, size);
    for (int i = 0; i < size; i++) {
        int k = i / n_columns * (i % n_columns);
        cosine[i] = tables[2 * k], sine[i] = tables[2 * k + 1];
    }
    return (wide_t){size, size / n_columns, n_columns, tables, cosine, sine};
}

/* LANES columns of a table, from its row-wise one to LANES neighbours each. */
INLINE void fetch_across(vc *to, const vc *from, int stride) {
    vf re[LANES], im[LANES];
    for (int i = 0; i < LANES; i++) re[i] = from[i * stride].re, im[i] = from[i * stride].im;
    transpose(re), transpose(im);
    for (int i = 0; i < LANES; i++) to[i] = (vc){re[i], im[i]};
}

/* The transform of re + i im [size], in place, with e^(sign i ...), not scaled. `spare`: [size / LANES]. */
INLINE void transform_wide(float *re, float *im, vc *spare, const wide_t *w, const float sign) {
    vc one[MAX_SIDE], other[MAX_SIDE];
    const int n_rows = w->n_rows, n_columns = w->n_columns, n_across = n_columns / LANES;
    for (int c = 0; c < n_across; c++) {
        for (int row = 0; row < n_rows; row++) {
            int at = row * n_columns + c * LANES;
            one[row] = (vc){load(re + at), load(im + at)};
        }
        const vc *done = transform_lanes(one, other, n_rows, w->roots, n_columns, sign);
        for (int k = 0; k < n_rows; k++) {
            int at = k * n_columns + c * LANES;
            vf cosine = load(w->cosine + at), sine = sign * load(w->sine + at);
            vc x = done[k];
            spare[k * n_across + c] = (vc){x.re * cosine - x.im * sine, x.re * sine + x.im * cosine};
        }
    }
    for (int k = 0; k < n_rows; k += LANES) {
        for (int c = 0; c < n_across; c++) fetch_across(one + c * LANES, spare + k * n_across + c, n_across);
        const vc *done = transform_lanes(one, other, n_columns, w->roots, n_rows, sign);
        for (int j = 0; j < n_columns; j++) {
            store(re + k + n_rows * j, done[j].re);
            store(im + k + n_rows * j, done[j].im);
        }
    }
}

#endif
