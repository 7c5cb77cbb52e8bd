/*
 * Settling one slot (src/consensus/README.md, "Settling"; after Dolev and Strong 1983), for spin.
 *
 * HON honest nodes and FAULTY ones, of which the first PROPOSERS propose with the lowest tickets, each up to two
 * different values. The faulty ones act as one: they know everything at once, deliver any value to any honest node at
 * any instant with any chain of endorsements that they can make, and choose how long honest messages travel.
 * An honest proposal that everybody has is behind them.
 *
 * Time runs in ticks, Delta is two of them, T1 is tick 0. Honest messages take less than Delta.
 * Parameters: HON, FAULTY, PROPOSERS, R (rounds), M (lowest proposers that are relayed and may win).
 * Wrong variants, each of which must split: BEYOND decides by proposers beyond M as well; ONE_VALUE keeps the first
 * value of a proposer and does not pass on the second; NO_WORD passes late proposals on without endorsing them.
 */
#ifndef HON
#define HON 2
#endif
#ifndef FAULTY
#define FAULTY 1
#endif
#ifndef PROPOSERS
#define PROPOSERS 1
#endif
#ifndef R
#define R 1
#endif
#ifndef M
#define M 16
#endif

#define DELTA 2
#define VALUES (2 * PROPOSERS)
#define LAST (R * DELTA)
#define NONE 255
#define KS (R + 1)
/* Place of a message on its way: to honest node h, value v, k endorsements. Holds its latest tick of arrival. */
#define WAY(h, v, k) way[((h) * VALUES + (v)) * KS + (k)]
#define HAS(h, v) has[(h) * VALUES + (v)]
/* The faulty nodes other than the proposer, and the honest ones that gave their word. */
#define CHAIN(v) (FAULTY - 1 + words[v])

byte way[HON * VALUES * KS];
bit has[HON * VALUES];
byte words[VALUES];
byte now = 0;
byte outcome[HON];

/* Scratch, not part of the state. */
hidden byte g, q, place, n, i;

inline send(from, v, k) {
  g = 0;
  do
  :: g < HON ->
    if
    :: g != from && !HAS(g, v) && (WAY(g, v, k) == NONE || WAY(g, v, k) > now + DELTA - 1) ->
      WAY(g, v, k) = now + DELTA - 1
    :: else
    fi;
    g++
  :: else -> break
  od;
  g = 0
}

/* Node h is given value v with k endorsements. */
inline take(h, v, k) {
  if
#ifdef ONE_VALUE
  :: !HAS(h, v) && !HAS(h, (v) ^ 1) && now <= (k) * DELTA ->
#else
  :: !HAS(h, v) && now <= (k) * DELTA ->
#endif
    HAS(h, v) = 1;
    /* Place of the proposer among those known here. */
    place = 0;
    q = 0;
    do
    :: q < (v) / 2 ->
      if
      :: HAS(h, 2 * q) || HAS(h, 2 * q + 1) -> place++
      :: else
      fi;
      q++
    :: else -> break
    od;
    q = 0;
    if
    :: place >= M
    :: place < M && now + DELTA <= (k) * DELTA -> send(h, v, k)
#ifdef NO_WORD
    :: place < M && now + DELTA > (k) * DELTA && (k) < R -> send(h, v, k)
#else
    :: place < M && now + DELTA > (k) * DELTA && (k) < R -> words[v]++; send(h, v, (k) + 1)
#endif
    :: place < M && now + DELTA > (k) * DELTA && (k) >= R
    fi;
    place = 0
  :: else
  fi
}

/* Winner of node h: a value, or VALUES for the honest proposal behind them, or VALUES + 1 for the fallback record. */
inline decide(h) {
  outcome[h] = VALUES;
  q = 0;
  place = 0;
  do
  :: q < PROPOSERS && outcome[h] == VALUES ->
    n = HAS(h, 2 * q) + HAS(h, 2 * q + 1);
    if
    :: n == 1 -> outcome[h] = (HAS(h, 2 * q) -> 2 * q : 2 * q + 1)
    :: else
    fi;
    if
    :: n > 0 -> place++
    :: else
    fi;
#ifndef BEYOND
    if
    :: place >= M && outcome[h] == VALUES -> outcome[h] = VALUES + 1
    :: else
    fi;
#endif
    q++
  :: else -> break
  od;
  q = 0; place = 0; n = 0
}

byte h, v, k;

init {
  atomic {
    i = 0;
    do
    :: i < HON * VALUES * KS -> way[i] = NONE; i++
    :: else -> break
    od;
    i = 0
  }
  do
  :: now <= LAST ->
    /* Honest messages: any may arrive in this tick, and must in their last. */
    h = 0;
    do
    :: h < HON ->
      v = 0;
      do
      :: v < VALUES ->
        k = 0;
        do
        :: k < KS ->
          if
          :: atomic { WAY(h, v, k) != NONE -> WAY(h, v, k) = NONE; take(h, v, k) }
          :: atomic { WAY(h, v, k) == NONE || WAY(h, v, k) > now -> skip }
          fi;
          k++
        :: else -> break
        od;
        /* The faulty nodes: nothing, or any chain that they can make; a longer one counts no more than R. */
        k = 0;
        do
        :: k < KS ->
          if
          :: atomic { !HAS(h, v) && k <= CHAIN(v) && now <= k * DELTA -> take(h, v, k) }
          :: true
          fi;
          k++
        :: else -> break
        od;
        v++
      :: else -> break
      od;
      h++
    :: else -> break
    od;
    h = 0; v = 0; k = 0;
    now++
  :: else -> break
  od;
  atomic {
    h = 0;
    do
    :: h < HON -> decide(h); h++
    :: else -> break
    od;
    h = 1;
    do
    :: h < HON -> assert(outcome[h] == outcome[0]); h++
    :: else -> break
    od
  }
}
