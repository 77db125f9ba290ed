/*
 * relay.c - the whole relay: how it starts, reads its folder again, and stops.
 */
#include "relay.h"

#include <stdlib.h>

#include <hybridge/daemon.h>
#include <hybridge/log.h>
#include <hybridge/tls.h>
#include <hybridge/ws.h>

#include "answer.h"
#include "door.h"
#include "guest.h"
#include "listener.h"
#include "rendezvous.h"
#include "stream.h"
#include "throttle.h"
#include "worker.h"

/* Fills in what the files say; nothing changes on failure. */
static int load(const struct relay_config *config, struct entities *entities,
		SSL_CTX **tls, struct hybridge_error *err)
{
	SSL_CTX *ctx = NULL;

	if (config->cert) {
		ctx = hybridge_tls_server_ctx(config->cert, config->key,
					      config->fast_crypto, err);
		if (!ctx)
			return -1;
		if (config->http2)
			hybridge_tls_accept_h2(ctx);
	}
	if (entities_load(config->dir, config->allow_open, entities, err) !=
	    0) {
		SSL_CTX_free(ctx);
		return -1;
	}
	*tls = ctx;
	return 0;
}

/* Every hybrid connection has its meter, so that a scraper sees zeros, of one that was removed
 * nobody hears that it has no listener. */
static int make_meters(struct relay *relay)
{
	for (struct meter *meter = relay->meters.table; meter;
	     meter = meter->hh.next)
		meter->is_defined = false;
	for (const struct entity *entity = relay->entities.table; entity;
	     entity = entity->hh.next) {
		struct meter *meter = meter_get(&relay->meters, entity->folded);

		if (!meter)
			return -1;
		meter->is_defined = true;
	}
	return 0;
}

static void on_drained(struct hybridge_timer *timer)
{
	struct relay *relay = hybridge_container(timer, struct relay, drain);

	hybridge_loop_stop(relay->loop);
}

struct relay *relay_new(struct hybridge_loop *loop, struct relay_config *config,
			struct hybridge_error *err)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	relay->loop = loop;
	relay->drain.fire = on_drained;
	relay->bus = bus_new(rendezvous_left, relay);
	relay->throttle = throttle_new(loop);
	if (!relay->bus || !relay->throttle) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		goto fail;
	}
	if (load(config, &relay->entities, &relay->tls, err) != 0)
		goto fail;
	if (make_meters(relay) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		goto fail;
	}
	if (workers_start(config->workers, &relay->workers, err) != 0)
		goto fail;
	answer_announce_h2(config->http2);
	relay->config = *config;
	*config = (struct relay_config){0}; /* handed to the relay */
	return relay;
fail:
	relay_free(relay);
	return NULL;
}

void relay_reload(struct relay *relay)
{
	struct entities entities = {0};
	struct hybridge_error err = {0};
	SSL_CTX *tls = NULL;

	if (load(&relay->config, &entities, &tls, &err) != 0) {
		hybridge_log_error(HYBRIDGE_LOG_ERROR,
				   "reload failed, nothing has changed", &err,
				   NULL);
		return;
	}
	entities_free(&relay->entities);
	relay->entities = entities;
	SSL_CTX_free(relay->tls); /* connections keep their own reference */
	relay->tls = tls;
	(void)make_meters(relay); /* else they come with the first use */
	hybridge_log(
		HYBRIDGE_LOG_INFO, "reloaded",
		HYBRIDGE_NUM("entities", HASH_COUNT(relay->entities.table)));
	rendezvous_refuse_gone(relay);
	listeners_close(relay, true, HYBRIDGE_WS_GOING_AWAY,
			"The endpoint was deleted");
	listeners_judge(relay);
	streams_stop(relay, true);
}

void relay_stop_if_drained(struct relay *relay)
{
	bool is_drained =
		relay->draining && !relay->streams && !relay->listeners;

	if (relay->closing ? relay->num_away == 0 : is_drained)
		hybridge_loop_stop(relay->loop);
}

void relay_stop(struct relay *relay)
{
	if (relay->closing)
		return;
	relay->draining = true;
	hybridge_daemon_notify("STOPPING=1");
	hybridge_log(HYBRIDGE_LOG_INFO, "stopping",
		     HYBRIDGE_NUM("drain_ms", relay->config.drain_ms));
	door_shut(relay->door);
	throttle_flush(relay->throttle);
	rendezvous_refuse_all(relay, 503, "The relay is shutting down");
	listeners_close(relay, false, HYBRIDGE_WS_GOING_AWAY,
			"The relay is shutting down");
	guests_drain(relay);
	if (hybridge_timer_set(relay->loop, &relay->drain,
			       relay->config.drain_ms) != 0)
		hybridge_loop_stop(relay->loop);
	relay_stop_if_drained(relay);
}

void relay_close_all(struct relay *relay)
{
	hybridge_timer_clear(relay->loop, &relay->drain);
	rendezvous_refuse_all(relay, 503, "The relay is shutting down");
	throttle_flush(relay->throttle);
	listeners_drop(relay);
	streams_stop(relay, false);
	door_close(relay->door);
	relay->door = NULL;
	guests_drop(relay);
	/* What workers have is over when they have said so. */
	relay->closing = true;
	if (relay->num_away > 0)
		hybridge_loop_run(relay->loop);
	workers_stop(relay->workers);
	relay->workers = NULL;
}

void relay_free(struct relay *relay)
{
	if (!relay)
		return;
	bus_free(relay->bus);
	throttle_free(relay->throttle);
	entities_free(&relay->entities);
	meters_free(&relay->meters);
	relay_config_free(&relay->config);
	SSL_CTX_free(relay->tls);
	free(relay);
}
