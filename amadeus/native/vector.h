/* As many floats at once as a register holds, and the elementary functions of them.
 *
 * GCC's and Clang's vector extensions: the same source becomes AVX-512, AVX2 or SSE code, as the compiler is told.
 */
#ifndef AMADEUS_VECTOR_H
#define AMADEUS_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t vi __attribute__((vector_size(4 * LANES), aligned(4)));
typedef double vd __attribute__((vector_size(8 * LANES), aligned(8)));

INLINE vf load(const float *from) { return *(const vf *)from; }
INLINE void store(float *to, vf x) { *(vf *)to = x; }
INLINE vf fill(float x) { return x - (vf){0}; }
INLINE vf choose(vi mask, vf yes, vf no) {
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}
#if LANES == 16 /* the compiler does not see that these are one instruction */
INLINE vf maximum(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vf minimum(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#else
INLINE vf maximum(vf a, vf b) { return choose(a > b, a, b); }
INLINE vf minimum(vf a, vf b) { return choose(a < b, a, b); }
#endif
INLINE vf absolute(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vf with_sign_of(vf size, vf sign) { return (vf)(((vi)size & 0x7fffffff) | ((vi)sign & ~0x7fffffff)); }

INLINE float total(vf x) {
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += x[lane];
    return sum;
}

/* Lanes of one vector or of two one after the other, by their numbers. */
#if defined(__clang__)
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

#if LANES == 16
#define LOW_PAIRS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_PAIRS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define BACKWARDS 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
#elif LANES == 8
#define LOW_PAIRS 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_PAIRS 4, 12, 5, 13, 6, 14, 7, 15
#define BACKWARDS 7, 6, 5, 4, 3, 2, 1, 0
#else
#define LOW_PAIRS 0, 4, 1, 5
#define HIGH_PAIRS 2, 6, 3, 7
#define BACKWARDS 3, 2, 1, 0
#endif

INLINE vf interleave_low(vf a, vf b) { return PICK(a, b, LOW_PAIRS); }
INLINE vf interleave_high(vf a, vf b) { return PICK(a, b, HIGH_PAIRS); }
INLINE vf reverse(vf x) { return PICK(x, x, BACKWARDS); }

/* Lays LANES vectors across. */
INLINE void transpose(vf *x) {
    for (int stage = 1; stage < LANES; stage *= 2) {
        vf y[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            y[2 * i] = interleave_low(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = interleave_high(x[i], x[i + LANES / 2]);
        }
        for (int i = 0; i < LANES; i++) x[i] = y[i];
    }
}

/* The sum of each of LANES vectors. */
INLINE vf totals(const vf *x) {
    vf across[LANES], sum = {0};
    for (int i = 0; i < LANES; i++) across[i] = x[i];
    transpose(across);
    for (int i = 0; i < LANES; i++) sum += across[i];
    return sum;
}

/* The first n < LANES floats of an array, zeros after them. */
INLINE vf load_some(const float *from, int n) {
    float padded[LANES] = {0};
    memcpy(padded, from, sizeof(float) * n);
    return load(padded);
}

INLINE void store_some(float *to, vf x, int n) {
    float padded[LANES];
    store(padded, x);
    memcpy(to, padded, sizeof(float) * n);
}

/* Nearest whole number, for |x| < 2^22. */
INLINE vf nearest(vf x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: below it the last bit of a float is worth 1 */
    return (x + magic) - magic;
}

/* e^x, relative error below 2e-7; x is taken as within [-87, 87]. */
INLINE vf exponential(vf x) {
    x = minimum(maximum(x, fill(-87.0f)), fill(87.0f));
    vf n = nearest(x * 1.44269504f);
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts */
    vf p = fill(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    vi bits = (__builtin_convertvector(n, vi) + 127) << 23;
    return p * (vf)bits;
}

INLINE vf sigmoid(vf x) { return 1.0f / (1.0f + exponential(-x)); }
INLINE vf hyperbolic_tangent(vf x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }

/* 1 / sqrt(x) of normal x > 0 to float precision: a first guess, and as many of Newton's steps as it needs. */
INLINE vf inverse_root(vf x) {
#if LANES == 16
    vf y = (vf)_mm512_rsqrt14_ps((__m512)x);
    const int n_steps = 1;
#else
    vf y = (vf)(0x5f3759df - ((vi)x >> 1));
    const int n_steps = 3;
#endif
    vf half = 0.5f * x;
    for (int i = 0; i < n_steps; i++) y = y * (1.5f - half * y * y);
    return y;
}

/* 1 / x of normal x to float precision, by the same way where it is shorter than a division. */
INLINE vf inverse(vf x) {
#if LANES == 16
    vf y = (vf)_mm512_rcp14_ps((__m512)x);
    return y * (2.0f - x * y);
#else
    return 1.0f / x;
#endif
}

/* Natural logarithm of x > 0, absolute error below 3e-7 near 1. */
INLINE vf logarithm(vf x) {
    vi bits = (vi)x;
    vi exponent = (bits - 0x3f3504f3) >> 23; /* sqrt(1/2): mantissas lie around 1 */
    vf m = (vf)(bits - (exponent << 23));
    vf s = (m - 1.0f) * inverse(m + 1.0f), z = s * s;
    vf p = fill(2.0f / 9);
    p = p * z + 2.0f / 7;
    p = p * z + 2.0f / 5;
    p = p * z + 2.0f / 3;
    p = p * z + 2.0f;
    return p * s + __builtin_convertvector(exponent, vf) * 0.69314718f;
}

/* Sine and cosine of 2 pi x for |x| <= 0.5, absolute error below 4e-7. */
INLINE void sine_cosine(vf x, vf *sine, vf *cosine) {
    vf quarter = nearest(4.0f * x);
    vf r = (x - 0.25f * quarter) * 6.28318531f, z = r * r;
    vf s = fill(2.75573192e-6f);
    s = s * z - 1.98412698e-4f;
    s = s * z + 8.33333333e-3f;
    s = s * z - 0.166666667f;
    s = r + r * z * s;
    vf c = fill(2.48015873e-5f);
    c = c * z - 1.38888889e-3f;
    c = c * z + 4.16666667e-2f;
    c = c * z - 0.5f;
    c = 1.0f + z * c;
    vi turn = __builtin_convertvector(quarter, vi) & 3;
    vi swap = (turn & 1) != 0;
    vf first = choose(swap, c, s), second = choose(swap, s, c);
    vi negative_sine = turn >= 2, negative_cosine = (turn == 1) | (turn == 2);
    *sine = choose(negative_sine, -first, first);
    *cosine = choose(negative_cosine, -second, second);
}

#endif
