/* A bank of harmonic oscillators, and back.
 *
 * The equations are those of amadeus/dsp/harmonic.py. Samples lie side by side in a vector; the sines of one
 * harmonic come from those of the one below by a rotation, so each costs four products and no table.
 */
#include <stdlib.h>

#include "team.h"
#include "vector.h"

#define GROUP 4 /* vectors of samples that are turned at once, to hide how long a product takes */

typedef struct {
    int n_blocks, n_harmonics, hop_size, sample_rate;
    const float *start_hz, *end_hz; /* [n_blocks] */
    const double *cycles;           /* before each block, [n_blocks] */
    const float *starts, *ends;     /* amplitudes [n_blocks, n_harmonics] */
    float *audio;                   /* [n_blocks, hop_size] */
    const float *upstream;          /* likewise */
    float *to_starts, *to_ends;     /* slopes by the amplitudes */
} bank_t;

typedef struct {
    vf sine[GROUP], cosine[GROUP], first_sine[GROUP], first_cosine[GROUP], ramp[GROUP];
} turn_t;

INLINE void begin_turn(turn_t *turn, const bank_t *bank, int block, int sample, const int n) {
    double start = (double)bank->start_hz[block] / bank->sample_rate;
    double slope = ((double)bank->end_hz[block] - bank->start_hz[block]) / bank->sample_rate;
    for (int v = 0; v < n; v++) {
        vd s;
        for (int lane = 0; lane < LANES; lane++) s[lane] = sample + v * LANES + lane;
        vd cycles = bank->cycles[block] + start * (s + 1) + slope * (s * (s + 1) / (2.0 * bank->hop_size));
        vd whole = (cycles + 6755399441055744.0) - 6755399441055744.0; /* nearest: 1.5 * 2^52 */
        sine_cosine(__builtin_convertvector(cycles - whole, vf), &turn->first_sine[v], &turn->first_cosine[v]);
        turn->sine[v] = turn->first_sine[v], turn->cosine[v] = turn->first_cosine[v];
        turn->ramp[v] = __builtin_convertvector(s, vf) / (float)bank->hop_size;
    }
}

INLINE void turn_on(turn_t *turn, const int n) {
    for (int v = 0; v < n; v++) {
        vf sine = turn->sine[v], cosine = turn->cosine[v];
        turn->sine[v] = sine * turn->first_cosine[v] + cosine * turn->first_sine[v];
        turn->cosine[v] = cosine * turn->first_cosine[v] - sine * turn->first_sine[v];
    }
}

INLINE int count_audible(const bank_t *bank, int block) {
    const float *starts = bank->starts + (long)block * bank->n_harmonics;
    const float *ends = bank->ends + (long)block * bank->n_harmonics;
    int n = bank->n_harmonics;
    while (n && starts[n - 1] == 0 && ends[n - 1] == 0) n--;
    return n;
}

INLINE void sing(const bank_t *bank, int block, int sample, const int n, int n_audible) {
    const float *starts = bank->starts + (long)block * bank->n_harmonics;
    const float *ends = bank->ends + (long)block * bank->n_harmonics;
    turn_t turn;
    vf level[GROUP] = {{0}}, climb[GROUP] = {{0}};
    begin_turn(&turn, bank, block, sample, n);
    for (int k = 0; k < n_audible; k++) {
        float start = starts[k], rise = ends[k] - start;
        for (int v = 0; v < n; v++) level[v] += start * turn.sine[v], climb[v] += rise * turn.sine[v];
        turn_on(&turn, n);
    }
    for (int v = 0; v < n; v++) {
        int place = sample + v * LANES, left = bank->hop_size - place;
        float *audio = bank->audio + (long)block * bank->hop_size + place;
        vf sound = level[v] + turn.ramp[v] * climb[v];
        if (left >= LANES) store(audio, sound);
        else store_some(audio, sound, left);
    }
}

INLINE void hear(const bank_t *bank, int block, int sample, const int n, int n_audible, vf *levels, vf *climbs) {
    turn_t turn;
    vf heard[GROUP], ramped[GROUP];
    begin_turn(&turn, bank, block, sample, n);
    for (int v = 0; v < n; v++) {
        int place = sample + v * LANES, left = bank->hop_size - place;
        const float *upstream = bank->upstream + (long)block * bank->hop_size + place;
        heard[v] = left >= LANES ? load(upstream) : load_some(upstream, left);
        ramped[v] = heard[v] * turn.ramp[v];
    }
    for (int k = 0; k < n_audible; k++) {
        vf level = levels[k], climb = climbs[k];
        for (int v = 0; v < n; v++) level += heard[v] * turn.sine[v], climb += ramped[v] * turn.sine[v];
        levels[k] = level, climbs[k] = climb;
        turn_on(&turn, n);
    }
}

/* Calls a function for all samples of a block, with the number of vectors known while compiling. */
#define FOR_SAMPLES(function, bank, ...)                                                          \
    for (int sample = 0; sample < (bank)->hop_size; sample += GROUP * LANES)                        \
        switch (((bank)->hop_size - sample + LANES - 1) / LANES) {                                  \
            case 1: function(bank, block, sample, 1, __VA_ARGS__); break;                           \
            case 2: function(bank, block, sample, 2, __VA_ARGS__); break;                           \
            case 3: function(bank, block, sample, 3, __VA_ARGS__); break;                           \
            default: function(bank, block, sample, GROUP, __VA_ARGS__);                             \
        }

static void sing_share(void *task, team_t *team, int number) {
    const bank_t *bank = task;
    int first, last;
    team_share(team, number, bank->n_blocks, &first, &last);
    for (int block = first; block < last; block++) {
        int n_audible = count_audible(bank, block);
        FOR_SAMPLES(sing, bank, n_audible)
    }
}

static void hear_share(void *task, team_t *team, int number) {
    const bank_t *bank = task;
    int n_harmonics = bank->n_harmonics, first, last;
    vf levels[n_harmonics], climbs[n_harmonics];
    team_share(team, number, bank->n_blocks, &first, &last);
    for (int block = first; block < last; block++) {
        int n_audible = count_audible(bank, block);
        memset(levels, 0, sizeof levels);
        memset(climbs, 0, sizeof climbs);
        FOR_SAMPLES(hear, bank, n_audible, levels, climbs)
        for (int k = 0; k < n_harmonics; k++) {
            float climb = total(climbs[k]);
            bank->to_starts[(long)block * n_harmonics + k] = total(levels[k]) - climb;
            bank->to_ends[(long)block * n_harmonics + k] = climb;
        }
    }
}

int amadeus_harmonics(int n_blocks, int n_harmonics, int hop_size, int sample_rate, const float *start_hz,
                       const float *end_hz, const double *cycles, const float *starts, const float *ends,
                       float *audio, int n_threads) {
    bank_t bank = {.n_blocks = n_blocks, .n_harmonics = n_harmonics, .hop_size = hop_size,
                   .sample_rate = sample_rate, .start_hz = start_hz, .end_hz = end_hz, .cycles = cycles,
                   .starts = starts, .ends = ends, .audio = audio};
    team_run(n_threads, sing_share, &bank);
    return 0;
}

int amadeus_harmonics_back(int n_blocks, int n_harmonics, int hop_size, int sample_rate, const float *start_hz,
                            const float *end_hz, const double *cycles, const float *starts, const float *ends,
                            const float *upstream, float *to_starts, float *to_ends, int n_threads) {
    bank_t bank = {.n_blocks = n_blocks, .n_harmonics = n_harmonics, .hop_size = hop_size,
                   .sample_rate = sample_rate, .start_hz = start_hz, .end_hz = end_hz, .cycles = cycles,
                   .starts = starts, .ends = ends, .upstream = upstream, .to_starts = to_starts,
                   .to_ends = to_ends};
    team_run(n_threads, hear_share, &bank);
    return 0;
}
