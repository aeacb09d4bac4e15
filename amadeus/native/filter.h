/* A filter that changes from block to block: what its kernels share. */
#ifndef AMADEUS_FILTER_H
#define AMADEUS_FILTER_H

#include "fourier.h"

typedef struct {
    int n_batch, n_blocks, block_size, n_taps, n_ringing;
    const float *sound; /* [n_batch, n_blocks, block_size] */
    const float *taps;  /* [n_batch, n_blocks, n_taps] */
    float *filtered;    /* [n_batch, n_ringing], added to */
    const float *upstream;
    float *to_taps;
    wide_t wide; /* of no size where blocks are filtered directly */
    int failed;
} filter_t;

/* The same as filter.c's own for the rows from `first` to `last`, by transforms; they fail where memory is short. */
void amadeus_filter_wide(filter_t *f, int first, int last);
void amadeus_taps_wide(filter_t *f, int first, int last);

#endif
