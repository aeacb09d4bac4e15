/* A bank of harmonic oscillators, and back.
 *
 * The equations are those of amadeus/dsp/harmonic.py. Samples lie side by side in a vector. Harmonics are taken in
 * groups around a middle one, for with the sines of j x at hand those of (k + j) x and (k - j) x are had for nothing:
 *
 *     a sin (k + j) x + b sin (k - j) x = sin k x (a + b) cos j x + cos k x (a - b) sin j x
 *
 * and only the middle is turned on, from group to group. So each harmonic costs two products and a half instead of six.
 */
#include <stdlib.h>

#include "team.h"
#include "vector.h"

#define GROUP 4             /* vectors of samples that are turned at once, to hide how long a product takes */
#define SIDE 3              /* harmonics on either side of a middle one */
#define SPAN (2 * SIDE + 1) /* harmonics in a group */

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
    vf sine[GROUP], cosine[GROUP];
} angle_t;

/* Angles x, 2 x ... on the sides; of the middle; and from one middle to the next. */
typedef struct {
    angle_t sides[SIDE], middle, step;
    vf ramp[GROUP];
} turn_t;

INLINE void add_angles(angle_t *to, const angle_t *a, const angle_t *b, const int n) {
    for (int v = 0; v < n; v++) {
        vf sine = a->sine[v], cosine = a->cosine[v];
        to->sine[v] = sine * b->cosine[v] + cosine * b->sine[v];
        to->cosine[v] = cosine * b->cosine[v] - sine * b->sine[v];
    }
}

INLINE void begin_turn(turn_t *turn, const bank_t *bank, int block, int sample, const int n) {
    double start = (double)bank->start_hz[block] / bank->sample_rate;
    double slope = ((double)bank->end_hz[block] - bank->start_hz[block]) / bank->sample_rate;
    for (int v = 0; v < n; v++) {
        vd s;
        for (int lane = 0; lane < LANES; lane++) s[lane] = sample + v * LANES + lane;
        vd cycles = bank->cycles[block] + start * (s + 1) + slope * (s * (s + 1) / (2.0 * bank->hop_size));
        vd whole = (cycles + 6755399441055744.0) - 6755399441055744.0; /* nearest: 1.5 * 2^52 */
        sine_cosine(__builtin_convertvector(cycles - whole, vf), &turn->sides[0].sine[v], &turn->sides[0].cosine[v]);
        turn->ramp[v] = __builtin_convertvector(s, vf) / (float)bank->hop_size;
    }
    for (int j = 1; j < SIDE; j++) add_angles(&turn->sides[j], &turn->sides[j - 1], &turn->sides[0], n);
    add_angles(&turn->middle, &turn->sides[SIDE - 1], &turn->sides[0], n);
    add_angles(&turn->step, &turn->middle, &turn->sides[SIDE - 1], n);
}

INLINE int count_audible(const bank_t *bank, int block) {
    const float *starts = bank->starts + (long)block * bank->n_harmonics;
    const float *ends = bank->ends + (long)block * bank->n_harmonics;
    int n = bank->n_harmonics;
    while (n && starts[n - 1] == 0 && ends[n - 1] == 0) n--;
    return n;
}

INLINE int count_groups(int n_harmonics) { return (n_harmonics + SPAN - 1) / SPAN; }

/* Amplitudes of a group: of the middle harmonic, and sums and differences of those j beside it. */
typedef struct {
    float middle, sums[SIDE], differences[SIDE];
} amplitudes_t;

typedef struct {
    amplitudes_t level, climb;
} group_t;

INLINE amplitudes_t fold(const float *amplitudes) {
    amplitudes_t folded = {.middle = amplitudes[SIDE]};
    for (int j = 0; j < SIDE; j++) {
        float above = amplitudes[SIDE + 1 + j], below = amplitudes[SIDE - 1 - j];
        folded.sums[j] = above + below, folded.differences[j] = above - below;
    }
    return folded;
}

static void fold_all(group_t *groups, const bank_t *bank, int block, int n_audible) {
    const float *starts = bank->starts + (long)block * bank->n_harmonics;
    const float *ends = bank->ends + (long)block * bank->n_harmonics;
    for (int k = 0; k < n_audible; k += SPAN) {
        float level[SPAN] = {0}, climb[SPAN] = {0};
        for (int i = 0; i < SPAN && k + i < n_audible; i++)
            level[i] = starts[k + i], climb[i] = ends[k + i] - starts[k + i];
        *groups++ = (group_t){fold(level), fold(climb)};
    }
}

INLINE vf sing_group(const amplitudes_t *a, const turn_t *turn, int v) {
    vf with_sine = fill(a->middle), with_cosine = fill(0.0f);
    for (int j = 0; j < SIDE; j++) {
        with_sine += a->sums[j] * turn->sides[j].cosine[v];
        with_cosine += a->differences[j] * turn->sides[j].sine[v];
    }
    return turn->middle.sine[v] * with_sine + turn->middle.cosine[v] * with_cosine;
}

INLINE void sing(const bank_t *bank, int block, int sample, const int n, const group_t *groups, int n_groups) {
    turn_t turn;
    vf level[GROUP] = {{0}}, climb[GROUP] = {{0}};
    begin_turn(&turn, bank, block, sample, n);
    for (const group_t *group = groups; group < groups + n_groups; group++) {
        for (int v = 0; v < n; v++) {
            level[v] += sing_group(&group->level, &turn, v);
            climb[v] += sing_group(&group->climb, &turn, v);
        }
        add_angles(&turn.middle, &turn.middle, &turn.step, n);
    }
    for (int v = 0; v < n; v++) {
        int place = sample + v * LANES, left = bank->hop_size - place;
        float *audio = bank->audio + (long)block * bank->hop_size + place;
        vf sound = level[v] + turn.ramp[v] * climb[v];
        if (left >= LANES) store(audio, sound);
        else store_some(audio, sound, left);
    }
}

/* What the middle harmonic of a group and those beside it hear, before lanes are summed. */
typedef struct {
    vf middle, with_cosines[SIDE], with_sines[SIDE];
} heard_t;

typedef struct {
    heard_t level, climb;
} ear_t;

INLINE void hear_group(heard_t *heard, const vf *sound, const turn_t *turn, const int n) {
    vf by_sine[GROUP], by_cosine[GROUP];
    for (int v = 0; v < n; v++) {
        by_sine[v] = sound[v] * turn->middle.sine[v], by_cosine[v] = sound[v] * turn->middle.cosine[v];
        heard->middle += by_sine[v];
    }
    for (int j = 0; j < SIDE; j++) {
        vf with_cosine = heard->with_cosines[j], with_sine = heard->with_sines[j];
        for (int v = 0; v < n; v++) {
            with_cosine += by_sine[v] * turn->sides[j].cosine[v];
            with_sine += by_cosine[v] * turn->sides[j].sine[v];
        }
        heard->with_cosines[j] = with_cosine, heard->with_sines[j] = with_sine;
    }
}

INLINE void hear(const bank_t *bank, int block, int sample, const int n, ear_t *ears, int n_groups) {
    turn_t turn;
    vf heard[GROUP], ramped[GROUP];
    begin_turn(&turn, bank, block, sample, n);
    for (int v = 0; v < n; v++) {
        int place = sample + v * LANES, left = bank->hop_size - place;
        const float *upstream = bank->upstream + (long)block * bank->hop_size + place;
        heard[v] = left >= LANES ? load(upstream) : load_some(upstream, left);
        ramped[v] = heard[v] * turn.ramp[v];
    }
    for (ear_t *ear = ears; ear < ears + n_groups; ear++) {
        hear_group(&ear->level, heard, &turn, n);
        hear_group(&ear->climb, ramped, &turn, n);
        add_angles(&turn.middle, &turn.middle, &turn.step, n);
    }
}

/* Slopes of all harmonics of a group, which lie SPAN to a group, lanes not summed yet. */
INLINE void unfold(vf *slopes, const heard_t *heard) {
    slopes[SIDE] = heard->middle;
    for (int j = 0; j < SIDE; j++) {
        slopes[SIDE + 1 + j] = heard->with_cosines[j] + heard->with_sines[j];
        slopes[SIDE - 1 - j] = heard->with_cosines[j] - heard->with_sines[j];
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
    group_t groups[count_groups(bank->n_harmonics) + 1];
    int first, last;
    team_share(team, number, bank->n_blocks, &first, &last);
    for (int block = first; block < last; block++) {
        int n_audible = count_audible(bank, block);
        fold_all(groups, bank, block, n_audible);
        FOR_SAMPLES(sing, bank, groups, count_groups(n_audible))
    }
}

static void hear_share(void *task, team_t *team, int number) {
    const bank_t *bank = task;
    const int n_harmonics = bank->n_harmonics, n_all = count_groups(n_harmonics);
    ear_t ears[n_all + 1];
    vf levels[n_all * SPAN + LANES], climbs[n_all * SPAN + LANES];
    int first, last;
    team_share(team, number, bank->n_blocks, &first, &last);
    memset(levels, 0, sizeof levels), memset(climbs, 0, sizeof climbs);
    for (int block = first; block < last; block++) {
        int n_groups = count_groups(count_audible(bank, block));
        memset(ears, 0, sizeof ears);
        FOR_SAMPLES(hear, bank, ears, n_groups)
        for (int g = 0; g < n_all; g++) {
            unfold(levels + g * SPAN, &ears[g].level);
            unfold(climbs + g * SPAN, &ears[g].climb);
        }
        float *to_starts = bank->to_starts + (long)block * n_harmonics;
        float *to_ends = bank->to_ends + (long)block * n_harmonics;
        for (int k = 0; k < n_harmonics; k += LANES) {
            vf climb = totals(climbs + k), level = totals(levels + k) - climb;
            int left = n_harmonics - k;
            if (left >= LANES) store(to_starts + k, level), store(to_ends + k, climb);
            else store_some(to_starts + k, level, left), store_some(to_ends + k, climb, left);
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
