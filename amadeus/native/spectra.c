/* Products of the spectra of a reverb, of all sounds of a batch with one response, and back. */
#include "team.h"

typedef struct {
    int n_batch, n_bins;
    const float *response, *spectra; /* [n_bins][2], [n_batch, n_bins][2] */
    float *products, *by_taps;       /* likewise: products for the one, [n_bins][2] for the other */
} spectra_t;

static void multiply_share(void *task, team_t *team, int number) {
    const spectra_t *s = task;
    int first, last;
    team_share(team, number, s->n_bins, &first, &last);
    for (int row = 0; row < s->n_batch; row++) {
        const float *restrict a = s->spectra + 2 * (long)row * s->n_bins, *restrict b = s->response;
        float *restrict to = s->products + 2 * (long)row * s->n_bins;
        for (long k = 2 * (long)first; k < 2 * (long)last; k += 2) {
            to[k] = a[k] * b[k] - a[k + 1] * b[k + 1];
            to[k + 1] = a[k] * b[k + 1] + a[k + 1] * b[k];
        }
    }
}

/* Pulls on the products become, in place, those on the spectra; those on the response are summed over the batch. */
static void pull_share(void *task, team_t *team, int number) {
    const spectra_t *s = task;
    int first, last;
    team_share(team, number, s->n_bins, &first, &last);
    for (int row = 0; row < s->n_batch; row++) {
        const float *restrict a = s->spectra + 2 * (long)row * s->n_bins, *restrict b = s->response;
        float *restrict pulls = s->products + 2 * (long)row * s->n_bins, *restrict sums = s->by_taps;
        for (long k = 2 * (long)first; k < 2 * (long)last; k += 2) {
            float re = pulls[k], im = pulls[k + 1];
            sums[k] += re * a[k] + im * a[k + 1];
            sums[k + 1] += im * a[k] - re * a[k + 1];
            pulls[k] = re * b[k] + im * b[k + 1];
            pulls[k + 1] = im * b[k] - re * b[k + 1];
        }
    }
}

int amadeus_multiply_spectra(int n_batch, int n_bins, const float *spectra, const float *response, float *products,
                             int n_threads) {
    spectra_t s = {.n_batch = n_batch, .n_bins = n_bins, .spectra = spectra, .response = response, .products = products};
    team_run(n_threads, multiply_share, &s);
    return 0;
}

/* by_taps are zeros when they come in. */
int amadeus_multiply_spectra_back(int n_batch, int n_bins, const float *spectra, const float *response, float *pulls,
                                  float *by_taps, int n_threads) {
    spectra_t s = {.n_batch = n_batch, .n_bins = n_bins, .spectra = spectra, .response = response, .products = pulls,
                   .by_taps = by_taps};
    team_run(n_threads, pull_share, &s);
    return 0;
}
