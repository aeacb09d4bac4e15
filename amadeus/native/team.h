/* A few threads that work on one thing and are gone afterwards. */
#ifndef AMADEUS_TEAM_H
#define AMADEUS_TEAM_H

#include <stdatomic.h>

typedef struct {
    int size;
    atomic_int is_complete, arrived, round;
} team_t;

/* Calls work(task, team, number) on `size` threads at once, the caller's included, numbers from 0. */
void team_run(int size, void (*work)(void *task, team_t *team, int number), void *task);

/* Waits until all of the team are here. Spins, so only for teams that meet again within microseconds. */
void team_meet(team_t *team);

/* The part of [0, count) that is a member's. */
static inline void team_share(const team_t *team, int number, int count, int *first, int *last) {
    *first = (int)((long)count * number / team->size);
    *last = (int)((long)count * (number + 1) / team->size);
}

#endif
