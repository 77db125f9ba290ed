/*
 * pool.c - a few HTTP/2 sessions to one relay, for all streams that go there.
 *
 * Theory of operation.  A slot is empty, being dialled, or holds a session.  One
 * session is enough until it carries bulk or hundreds of streams: then its TCP connection is
 * what others would wait behind, in its queue or for its losses.  A session that is worn
 * (h2.h) is replaced: the new one is opened at once, for what comes next, and the old one
 * closed when it has no streams; so is one whose connection leads nowhere.  A session
 * without streams for a while is closed.  Who finds no session goes over HTTP/1.1, so a
 * relay that stopped to speak HTTP/2 costs nobody a failure.
 */
#include <hybridge/pool.h>

#include <stdlib.h>
#include <string.h>

#include <hybridge/log.h>
#include <hybridge/text.h>

#define POOL_MAX     4
#define MANY_STREAMS 512 /* on one: the next ones get another */
#define LOOK_MS      30000
#define IDLE_LOOKS   4 /* without a stream, and it is closed */
#define WORN_LOOKS   1 /* the same when it is worn */

struct slot {
	struct hybridge_pool *pool;
	struct hybridge_dial *dial;
	struct hybridge_h2 *session;
	bool is_ready; /* streams may be opened */
	unsigned int idle_looks;
};

struct hybridge_pool {
	struct hybridge_loop *loop;
	struct hybridge_dial_args where;
	char *host; /* these three are of @where */
	char *proxy;
	char *no_proxy;
	uint32_t ping_ms;
	bool is_known;
	bool is_closed;
	struct slot slots[POOL_MAX];
	struct hybridge_timer look;
};

size_t hybridge_pool_sessions(const struct hybridge_pool *pool)
{
	size_t count = 0;

	for (size_t i = 0; i < POOL_MAX; i++)
		count += pool->slots[i].session != NULL;
	return count;
}

static void on_look(struct hybridge_timer *timer)
{
	struct hybridge_pool *pool =
		hybridge_container(timer, struct hybridge_pool, look);

	for (size_t i = 0; i < POOL_MAX; i++) {
		struct slot *slot = &pool->slots[i];

		if (!slot->session)
			continue;
		slot->idle_looks = hybridge_h2_streams(slot->session) == 0
					   ? slot->idle_looks + 1
					   : 0;
		if (slot->idle_looks >=
		    (hybridge_h2_worn(slot->session) ? WORN_LOOKS : IDLE_LOOKS))
			hybridge_h2_drain(slot->session);
	}
	/* Without a timer a session stays open for longer; that is all. */
	if (hybridge_pool_sessions(pool) > 0)
		(void)!hybridge_timer_set(pool->loop, timer, LOOK_MS);
}

static void open_one(struct hybridge_pool *pool);

static bool is_past(const struct hybridge_h2 *session)
{
	return hybridge_h2_worn(session) || hybridge_h2_lost(session);
}

/* Those that are past and have no streams: another one is there. */
static void close_past(struct hybridge_pool *pool)
{
	for (size_t i = 0; i < POOL_MAX; i++) {
		struct hybridge_h2 *session = pool->slots[i].session;

		if (session && is_past(session) &&
		    hybridge_h2_streams(session) == 0)
			hybridge_h2_drain(session);
	}
}

static void on_ready(void *owner)
{
	struct slot *slot = owner;

	slot->is_ready = true;
	close_past(slot->pool);
}

static void on_worn(void *owner)
{
	struct slot *slot = owner;

	open_one(slot->pool);
}

static void on_over(void *owner, const struct hybridge_error *err)
{
	struct slot *slot = owner;
	struct hybridge_pool *pool = slot->pool;

	slot->session = NULL;
	if (err->code == HYBRIDGE_OK && (slot->is_ready || pool->is_closed))
		return;
	hybridge_log_error(HYBRIDGE_LOG_WARNING, "HTTP/2 session lost", err,
			   pool->where.host);
	/* Whatever answers there now may be something else. */
	if (hybridge_pool_sessions(pool) == 0)
		pool->is_known = false;
}

static void on_dialled(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	static const struct hybridge_h2_ops ops = {
		.ready = on_ready,
		.worn = on_worn,
		.over = on_over,
	};
	struct slot *slot = owner;
	struct hybridge_pool *pool = slot->pool;
	const struct hybridge_h2_args args = {
		.ping_ms = pool->ping_ms,
		.is_proxied = pool->proxy != NULL,
	};

	(void)os_errno;
	(void)err; /* a stream over HTTP/1.1 meets it too, and says so */
	slot->dial = NULL;
	if (conn && pool->where.tls && !hybridge_conn_speaks_h2(conn)) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
		conn = NULL;
	}
	if (!conn) {
		pool->is_known = hybridge_pool_sessions(pool) > 0;
		return;
	}
	slot->idle_looks = 0;
	slot->is_ready = false;
	slot->session = hybridge_h2_new(pool->loop, conn, &args, &ops, slot);
	if (slot->session && pool->look.slot == 0)
		(void)!hybridge_timer_set(pool->loop, &pool->look, LOOK_MS);
}

/* Opens one more in the background, one at a time. */
static void open_one(struct hybridge_pool *pool)
{
	struct hybridge_dial_args args = pool->where;
	struct slot *empty = NULL;

	if (!pool->is_known || pool->is_closed)
		return;
	for (size_t i = 0; i < POOL_MAX; i++) {
		struct slot *slot = &pool->slots[i];

		if (slot->dial || (slot->session && !slot->is_ready))
			return;
		if (!slot->session && !empty)
			empty = slot;
	}
	if (!empty)
		return;
	args.h2 = true;
	empty->dial = hybridge_dial_start(pool->loop, &args, on_dialled, empty);
}

void hybridge_pool_learn(struct hybridge_pool *pool)
{
	pool->is_known = true;
	if (hybridge_pool_sessions(pool) == 0)
		open_one(pool);
}

/* Whether @a is the better one for a stream more. */
static bool is_better(const struct hybridge_h2 *a, const struct hybridge_h2 *b)
{
	bool a_pressed = hybridge_h2_pressed(a);

	if (a_pressed != hybridge_h2_pressed(b))
		return !a_pressed;
	if (hybridge_h2_worn(a) != hybridge_h2_worn(b))
		return hybridge_h2_worn(b);
	return hybridge_h2_streams(a) < hybridge_h2_streams(b);
}

struct hybridge_h2 *hybridge_pool_take(struct hybridge_pool *pool)
{
	struct hybridge_h2 *best = NULL;

	if (!pool->is_known || pool->is_closed)
		return NULL;
	for (size_t i = 0; i < POOL_MAX; i++) {
		struct hybridge_h2 *session = pool->slots[i].session;

		if (session && hybridge_h2_room(session) > 0 &&
		    !hybridge_h2_lost(session) &&
		    (!best || is_better(session, best)))
			best = session;
	}
	if (!best || hybridge_h2_pressed(best) || hybridge_h2_worn(best) ||
	    hybridge_h2_streams(best) >= MANY_STREAMS)
		open_one(pool);
	if (best && !hybridge_h2_worn(best))
		close_past(pool);
	return best;
}

struct hybridge_pool *hybridge_pool_new(struct hybridge_loop *loop,
					const struct hybridge_dial_args *where,
					uint32_t ping_ms)
{
	struct hybridge_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->loop = loop;
	pool->where = *where;
	pool->ping_ms = ping_ms;
	pool->host = strdup(where->host);
	pool->proxy = where->proxy ? strdup(where->proxy) : NULL;
	pool->no_proxy = where->no_proxy ? strdup(where->no_proxy) : NULL;
	pool->where.host = pool->host;
	pool->where.proxy = pool->proxy;
	pool->where.no_proxy = pool->no_proxy;
	if (where->tls)
		SSL_CTX_up_ref(where->tls);
	pool->look.fire = on_look;
	for (size_t i = 0; i < POOL_MAX; i++)
		pool->slots[i].pool = pool;
	if (pool->host && !pool->proxy == !where->proxy &&
	    !pool->no_proxy == !where->no_proxy)
		return pool;
	hybridge_pool_free(pool);
	return NULL;
}

void hybridge_pool_close(struct hybridge_pool *pool)
{
	pool->is_closed = true;
	for (size_t i = 0; i < POOL_MAX; i++) {
		struct slot *slot = &pool->slots[i];

		hybridge_dial_cancel(slot->dial);
		slot->dial = NULL;
		if (slot->session)
			hybridge_h2_drain(slot->session);
	}
}

void hybridge_pool_free(struct hybridge_pool *pool)
{
	if (!pool)
		return;
	hybridge_timer_clear(pool->loop, &pool->look);
	for (size_t i = 0; i < POOL_MAX; i++) {
		hybridge_dial_cancel(pool->slots[i].dial);
		hybridge_h2_drop(pool->slots[i].session);
	}
	SSL_CTX_free(pool->where.tls);
	free(pool->host);
	hybridge_text_free_secret(pool->proxy);
	free(pool->no_proxy);
	free(pool);
}
