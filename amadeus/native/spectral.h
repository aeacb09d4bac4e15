/* One scale of the spectral loss, and how bins are compared. */
#ifndef AMADEUS_SPECTRAL_H
#define AMADEUS_SPECTRAL_H

#include "fourier.h"

#define QUIET 1e-5f /* what the logarithm of silence is taken of */
#define OVERLAPS 4  /* frames over each sample */

typedef struct {
    int n_batch, n_samples, size, hop, n_frames;
    const float *target, *audio; /* [n_batch, n_samples] */
    float mag_weight, logmag_weight;
    float share; /* of one bin of one frame in the mean */
    float floor; /* added to each magnitude before its logarithm is taken */
    double *distances;  /* [n_batch], added to */
    float *slopes;      /* [n_batch, n_samples], added to; none where null */
    const float *roots; /* cosines and sines of 2 pi k / size, [size][2] */
    const float *window;
    wide_t wide;
} scale_t;

/* Rounding lets the target and the audio of one transform leak into each other. Each is divided by the sum of its
 * absolute samples, and so the leak is as far below a soft one as below a loud one. */
INLINE vf inverse_of_sum(vf sum) { return 1.0f / choose(sum == 0.0f, fill(1.0f), sum); }

typedef struct {
    vf value, inverse; /* of silence: 0, and 1 / QUIET */
} magnitude_t;

INLINE magnitude_t magnitude(vc x) {
    vf square = x.re * x.re + x.im * x.im, inverse = inverse_root(square);
    vi is_silent = square < 1e-36f;
    return (magnitude_t){choose(is_silent, fill(0.0f), square * inverse),
                         choose(is_silent, fill(1.0f / QUIET), inverse)};
}

/* Distances of bins, of which the audio's pulls are made. */
INLINE vf compare_bins(vc *pull, vc wanted, vc heard, const scale_t *s) {
    magnitude_t target = magnitude(wanted), audio = magnitude(heard);
    vf quiet = fill(s->floor > 0 ? 0.0f : QUIET), difference = audio.value - target.value;
    vf a = s->floor + choose(audio.value == 0.0f, quiet, audio.value);
    vf b = s->floor + choose(target.value == 0.0f, quiet, target.value);
    vf inverse_product = inverse(a * b);
    vf log_difference = logarithm(a * a * inverse_product);
    vf log_slope = minimum(b * inverse_product, fill(1.0f / QUIET));
    vf slope = s->share * minimum(audio.inverse, fill(1.0f / QUIET)) * (s->mag_weight + s->logmag_weight * log_slope);
    slope = choose(difference == 0.0f, fill(0.0f), with_sign_of(slope, difference));
    *pull = (vc){heard.re * slope, heard.im * slope};
    return s->mag_weight * absolute(difference) + s->logmag_weight * absolute(log_difference);
}

/* Each works on a row from its first frame to its last. `memory`: of as many floats as `..._memory` says, aligned to 64
 * bytes. Returns the distances, not yet weighted by `share`, and adds to `slopes` [n_samples] where it is not null. */
size_t amadeus_narrow_memory(const scale_t *s);
double amadeus_compare_narrow(const scale_t *s, void *memory, int row, float *slopes);
size_t amadeus_wide_memory(const scale_t *s);
double amadeus_compare_wide(const scale_t *s, void *memory, int row, float *slopes);

#endif
