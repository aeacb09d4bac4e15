/* A filter that changes from block to block, and back: each block of sound with its own taps, rings overlapping. */
#include <stdlib.h>

#include "filter.h"
#include "team.h"

#define GROUP 4
#define WIDE_FROM 32768 /* products of a block; with fewer, transforms take as long */

/* sums[j] += sum over i of scale[i] * from[j - i * step], for GROUP * LANES values of j. */
INLINE void slide(vf *sums, const float *scale, int n, const float *from, const int step) {
    for (int i = 0; i < n; i++, from += step)
        for (int v = 0; v < GROUP; v++) sums[v] += scale[i] * load(from + v * LANES);
}

static void filter_share(void *task, team_t *team, int number) {
    filter_t *f = task;
    int first, last, margin = f->block_size + GROUP * LANES;
    team_share(team, number, f->n_batch, &first, &last);
    if (f->wide.size) return amadeus_filter_wide(f, first, last);
    float padded[2 * margin + f->n_taps];
    memset(padded, 0, sizeof padded);
    for (int row = first; row < last; row++) {
        for (int block = 0; block < f->n_blocks; block++) {
            long place = (long)row * f->n_blocks + block;
            const float *sound = f->sound + place * f->block_size;
            float *out = f->filtered + (long)row * f->n_ringing + (long)block * f->block_size;
            memcpy(padded + margin, f->taps + place * f->n_taps, sizeof(float) * f->n_taps);
            int n_out = f->block_size + f->n_taps - 1;
            for (int j = 0; j < n_out; j += GROUP * LANES) {
                vf sums[GROUP] = {{0}};
                /* taps that this stretch of the output can meet */
                int from = j - f->n_taps + 1, to = j + GROUP * LANES;
                if (from < 0) from = 0;
                if (to > f->block_size) to = f->block_size;
                if (from < to) slide(sums, sound + from, to - from, padded + margin + j - from, -1);
                for (int v = 0; v < GROUP; v++) {
                    int left = n_out - j - v * LANES;
                    float *at = out + j + v * LANES;
                    if (left >= LANES) store(at, load(at) + sums[v]);
                    else if (left > 0) store_some(at, load_some(at, left) + sums[v], left);
                }
            }
        }
    }
}

static void taps_share(void *task, team_t *team, int number) {
    filter_t *f = task;
    int first, last, n_out = f->block_size + f->n_taps - 1;
    team_share(team, number, f->n_batch, &first, &last);
    if (f->wide.size) return amadeus_taps_wide(f, first, last);
    float padded[n_out + GROUP * LANES];
    memset(padded, 0, sizeof padded);
    for (int row = first; row < last; row++) {
        for (int block = 0; block < f->n_blocks; block++) {
            long place = (long)row * f->n_blocks + block;
            const float *heard = f->upstream + (long)row * f->n_ringing + (long)block * f->block_size;
            memcpy(padded, heard, sizeof(float) * n_out);
            for (int j = 0; j < f->n_taps; j += GROUP * LANES) {
                vf sums[GROUP] = {{0}};
                slide(sums, f->sound + place * f->block_size, f->block_size, padded + j, 1);
                for (int v = 0; v < GROUP; v++) {
                    int left = f->n_taps - j - v * LANES;
                    float *at = f->to_taps + place * f->n_taps + j + v * LANES;
                    if (left >= LANES) store(at, sums[v]);
                    else if (left > 0) store_some(at, sums[v], left);
                }
            }
        }
    }
}

/* Calls `work` on all rows, by transforms where these are shorter. Returns 0, or 1 where memory is short. */
static int run(filter_t *f, void (*work)(void *, team_t *, int), int n_threads) {
    int size = MIN_WIDE;
    while (size < f->block_size + f->n_taps - 1) size *= 2;
    float *tables = 0;
    if (size <= MAX_WIDE && (long)f->block_size * f->n_taps >= WIDE_FROM) {
        tables = malloc(sizeof(float) * WIDE_TABLE(size));
        if (!tables) return 1;
        f->wide = make_wide(tables, size);
    }
    team_run(f->n_batch < n_threads ? f->n_batch : n_threads, work, f);
    free(tables);
    return f->failed;
}

/* n_ringing = n_blocks * block_size + n_taps - 1. */
int amadeus_filter(int n_batch, int n_blocks, int block_size, int n_taps, const float *sound, const float *taps,
                    float *filtered, int n_threads) {
    filter_t f = {.n_batch = n_batch, .n_blocks = n_blocks, .block_size = block_size, .n_taps = n_taps,
                  .n_ringing = n_blocks * block_size + n_taps - 1, .sound = sound, .taps = taps,
                  .filtered = filtered};
    return run(&f, filter_share, n_threads);
}

int amadeus_filter_back(int n_batch, int n_blocks, int block_size, int n_taps, const float *sound,
                         const float *upstream, float *to_taps, int n_threads) {
    filter_t f = {.n_batch = n_batch, .n_blocks = n_blocks, .block_size = block_size, .n_taps = n_taps,
                  .n_ringing = n_blocks * block_size + n_taps - 1, .sound = sound, .upstream = upstream,
                  .to_taps = to_taps};
    return run(&f, taps_share, n_threads);
}
