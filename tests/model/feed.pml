/* What the models share: clients whose requests overlap, settle, the feed with its fence, and how a model is checked.
 *
 * A model is a handful of processes: clients (the registry works inside their requests, a step at a time), `serve` (handles
 * events), a sweeper (carries out generations), and a checker that waits for the invariant to break. Storage, caches and
 * index are variables. All that can overlap in reality is written as separate steps here; what is one step (`atomic`)
 * is one system call, one look, or one index transaction.
 *
 * There is no clock. Grace is taken as long over, settle and quarantine as having no length but what they wait for: whatever
 * holds here holds for any choice of times, as long as no request outlives a settle.
 *
 * -DMUTANT_x leaves out a step that the protocol needs: the checker must find an error.
 * -DREACH_x makes reaching x an error: the checker must find it, else the model would prove nothing about x.
 */
#ifndef CLIENTS
#define CLIENTS 2 /* at most 3 */
#endif
#ifndef REQUESTS
#define REQUESTS 3 /* of all clients together */
#endif
#ifndef GENERATIONS
#define GENERATIONS 1
#endif
#ifndef QUEUE
#define QUEUE 3 /* events; a client waits while the queue is full */
#endif

byte requests = REQUESTS;
bool busy[3];    /* in the middle of a request */
bool awaited[3]; /* the settle under way waits for this client's request to end */

/* A request begins, where it may. */
#define REQUEST(may) \
    atomic { requests > 0 && (may) -> requests--; busy[me] = true }

/* The request is answered: nothing of it is still running. */
inline answered()
{
    busy[me] = false;
    awaited[me] = false
}

/* Settle: every request that is under way now has ended. */
#ifdef MUTANT_NO_SETTLE
#define settle() skip
#else
inline settle()
{
    d_step { awaited[0] = busy[0]; awaited[1] = busy[1]; awaited[2] = busy[2] }
    !awaited[0] && !awaited[1] && !awaited[2]
}
#endif

/* Called last in init, where it has chosen the first state. */
inline begin()
{
    run sweeper();
    run client(0);
    if
    :: CLIENTS > 1 -> run client(1)
    :: else
    fi;
    if
    :: CLIENTS > 2 -> run client(2)
    :: else
    fi
}
