/*
 * doctor_check.c - the checks of one connection.
 *
 * The steps that sender and agent take, in their order; what comes behind one that failed is
 * skipped.  The relay's answer to the request for a stream tells of three things: token, listener
 * and service.
 */
#include "doctor_check.h"

#include <string.h>
#include <time.h>

#include <openssl/x509.h>

#include <hybridge/relay_clock.h>
#include <hybridge/token.h>
#include <hybridge/verdict.h>

#include "stream.h"

#define EXPIRES_SOON_DAYS 7
#define ADDRESSES_MAX     200
#define PLACE_MAX         300
#define ECHO_ROUNDS       3
#define ECHO_MS           10000
#define GREETING_MS       3000

/* One connection's, on its way. */
struct check {
	struct reach *reach;
	struct report *report;
	const struct hybridge_connection *connection;
	const struct hybridge_connstr *relay;
	size_t index;
	char place[PLACE_MAX]; /* of the relay, host and port */
	const char *entity;
	const char *signer; /* of tokens */
};

static void row_skipped(const struct check *check, const char *name,
			const char *subject)
{
	report_row(check->report, name, subject, REPORT_SKIP, "%s", "");
}

/* The relay. */

static bool check_dns(const struct check *check)
{
	struct hybridge_error err = {0};
	const char *host = check->relay->host;
	char addresses[ADDRESSES_MAX];

	if (reach_is_proxied(check->reach, check->relay)) {
		report_row(check->report, "dns", host, REPORT_NONE,
			   "the proxy looks it up");
		return true;
	}
	if (reach_lookup(check->reach, host, addresses, sizeof(addresses),
			 &err) == 0) {
		report_row(check->report, "dns", host, REPORT_PASS,
			   "%s, in %lld ms", addresses,
			   (long long)check->reach->took_ms);
		return true;
	}
	hybridge_hint(&err, "check Endpoint, and this machine's resolver");
	report_failure(check->report, "dns", host, REPORT_FAIL, &err);
	return false;
}

static bool check_tcp(const struct check *check)
{
	struct hybridge_error err = {0};
	struct hybridge_conn *conn =
		reach_relay(check->reach, check->relay, false, &err);
	bool is_proxied = reach_is_proxied(check->reach, check->relay);

	if (!conn) {
		hybridge_hint(&err,
			      "let this machine reach %s%s; only outgoing "
			      "connections are needed",
			      check->place,
			      is_proxied ? " by way of the proxy"
					 : ", or set HYBRIDGE_PROXY");
		report_failure(check->report, "tcp", check->place, REPORT_FAIL,
			       &err);
		return false;
	}
	report_row(check->report, "tcp", check->place, REPORT_PASS,
		   "connected%s in %lld ms",
		   is_proxied ? " by way of the proxy" : "",
		   (long long)check->reach->took_ms);
	hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
	return true;
}

/* Of a certificate's life: what is left of it, and its last day. */
struct expiry {
	int days_left;
	int days_in_all;
	char day[16];
};

/* False for times that cannot be read. */
static bool find_expiry(const SSL *ssl, struct expiry *out)
{
	X509 *certificate = SSL_get1_peer_certificate(ssl);
	const ASN1_TIME *begin =
		certificate ? X509_get0_notBefore(certificate) : NULL;
	const ASN1_TIME *end =
		certificate ? X509_get0_notAfter(certificate) : NULL;
	struct tm utc = {0};
	int seconds;
	bool is_known =
		end &&
		ASN1_TIME_diff(&out->days_left, &seconds, NULL, end) == 1 &&
		ASN1_TIME_diff(&out->days_in_all, &seconds, begin, end) == 1 &&
		ASN1_TIME_to_tm(end, &utc) == 1 &&
		strftime(out->day, sizeof(out->day), "%Y-%m-%d", &utc) > 0;

	X509_free(certificate);
	return is_known;
}

/* Some live for a day only, and are made anew in time. */
static bool expires_soon(const struct expiry *expiry)
{
	return expiry->days_left < EXPIRES_SOON_DAYS &&
	       expiry->days_left < expiry->days_in_all / 4;
}

static void report_tls(const struct check *check, const SSL *ssl)
{
	struct hybridge_error err = {0};
	struct expiry expiry;

	if (!find_expiry(ssl, &expiry)) {
		report_row(check->report, "tls", check->relay->host,
			   REPORT_PASS, "%s", SSL_get_version(ssl));
	} else if (!expires_soon(&expiry)) {
		report_row(check->report, "tls", check->relay->host,
			   REPORT_PASS, "%s, certificate good until %s",
			   SSL_get_version(ssl), expiry.day);
	} else {
		hybridge_fail(&err, HYBRIDGE_ECONFIG,
			      "the relay's certificate ends on %s", expiry.day);
		hybridge_hint(&err, "give the relay another one");
		report_failure(check->report, "tls", check->relay->host,
			       REPORT_WARN, &err);
	}
}

/* The connection, ready for a request; NULL: reported. */
static struct hybridge_conn *check_tls(const struct check *check)
{
	struct hybridge_error err = {0};
	struct hybridge_conn *conn =
		reach_relay(check->reach, check->relay, true, &err);

	if (!conn)
		report_failure(check->report, "tls", check->relay->host,
			       REPORT_FAIL, &err);
	else if (hybridge_conn_ssl(conn))
		report_tls(check, hybridge_conn_ssl(conn));
	else
		report_row(check->report, "tls", check->relay->host,
			   REPORT_WARN,
			   "none: all is sent in the clear, as Endpoint says");
	return conn;
}

/* Up to a connection to the relay. */
static struct hybridge_conn *check_way(const struct check *check)
{
	bool there = check_dns(check);

	if (there)
		there = check_tcp(check);
	else
		row_skipped(check, "tcp", check->place);
	if (there)
		return check_tls(check);
	row_skipped(check, "tls", check->relay->host);
	return NULL;
}

/* The token. */

static bool get_token(const struct check *check,
		      struct hybridge_endpoint_token *token)
{
	struct hybridge_error err = {0};

	if (reach_token(check->reach, check->connection, token, &err) == 0)
		return true;
	report_failure(check->report, "token", check->signer, REPORT_FAIL,
		       &err);
	return false;
}

static void report_clock(const struct check *check, const char *reason)
{
	struct hybridge_error err = {0};
	char text[HYBRIDGE_RELAY_CLOCK_MAX];
	int64_t ahead;

	if (!hybridge_relay_clock_ahead(reason, time(NULL), &ahead))
		return;
	hybridge_relay_clock_text(ahead, text);
	hybridge_fail(&err, HYBRIDGE_ECONFIG, "%s", text);
	hybridge_relay_clock_hint(reason, time(NULL), &err);
	if (err.hint[0]) {
		report_failure(check->report, "clock", "this machine's",
			       REPORT_FAIL, &err);
	} else {
		report_row(check->report, "clock", "this machine's",
			   REPORT_PASS, "within a minute of the relay's");
	}
}

/* As a sender. */

enum told {
	TOLD_NOTHING, /* no answer */
	TOLD_TOKEN,   /* it was turned down */
	TOLD_LISTENER,
	TOLD_SERVICE,
	TOLD_GOOD,
};

/* How far the request came. */
static enum told judge(const struct hybridge_stream_answer *answer)
{
	const struct hybridge_upgrade_result *result = &answer->result;

	if (answer->refused || hybridge_verdict_is_agents(result->reason))
		return TOLD_SERVICE;
	switch (result->status) {
	case 0:
		return TOLD_NOTHING;
	case 101:
		return TOLD_GOOD;
	case 401:
	case 403:
		return TOLD_TOKEN;
	case 408:
	case 502:
	case 504:
		return TOLD_SERVICE;
	default:
		return TOLD_LISTENER;
	}
}

static void report_answer(const struct check *check,
			  const struct hybridge_stream_answer *answer)
{
	enum told told = judge(answer);
	struct hybridge_error err = {0};
	char took[48];
	const struct {
		enum told stage;
		const char *name;
		const char *subject;
		const char *good;
	} rows[] = {
		{TOLD_NOTHING, "relay", check->place, "answers"},
		{TOLD_TOKEN, "token", check->signer, "may send"},
		{TOLD_LISTENER, "listener", check->entity, "an agent answered"},
		{TOLD_SERVICE, "service", check->connection->hosts, took},
	};

	snprintf(took, sizeof(took), "connected in %lld ms",
		 (long long)check->reach->took_ms);
	if (told != TOLD_GOOD)
		reach_explain(check->connection, answer, &err);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].stage < told)
			report_row(check->report, rows[i].name, rows[i].subject,
				   REPORT_PASS, "%s", rows[i].good);
		else if (rows[i].stage == told)
			report_failure(check->report, rows[i].name,
				       rows[i].subject, REPORT_FAIL, &err);
		else
			row_skipped(check, rows[i].name, rows[i].subject);
	}
	report_clock(check, answer->result.reason);
}

/* The stream, the caller's; or NULL with @err set. */
static struct hybridge_conn *open_echo(const struct check *check,
				       const char *token,
				       struct hybridge_error *err)
{
	struct hybridge_stream_answer answer;
	struct hybridge_conn *stream;
	struct hybridge_conn *conn =
		reach_relay(check->reach, check->relay, true, err);

	if (!conn)
		return NULL;
	stream = reach_echo(check->reach, check->index, conn, token, &answer);
	if (!stream)
		reach_explain(check->connection, &answer, err);
	return stream;
}

static void measure_echo(const struct check *check, struct stream *stream,
			 struct hybridge_error *err)
{
	int64_t best_ns = INT64_MAX;
	int64_t took_ns;

	bool is_ours = stream_is_greeted(stream, GREETING_MS);

	if (stream->is_broken) {
		*err = stream->ended;
		return;
	}
	if (!is_ours) {
		report_row(check->report, "echo", check->entity, REPORT_NONE,
			   "not measured: the listener is not hybridge-agent");
		return;
	}
	for (int i = 0; i < ECHO_ROUNDS; i++) {
		if (stream_round(stream, ECHO_MS, &took_ns, err) != 0)
			return;
		best_ns = took_ns < best_ns ? took_ns : best_ns;
	}
	report_row(check->report, "echo", check->entity, REPORT_PASS,
		   "%s, %.2f ms there and back", stream->agent,
		   (double)best_ns / 1e6);
}

/* By a stream to the agent itself, as another agent may say "connected" before it is. */
static void check_echo(const struct check *check, const char *token)
{
	struct hybridge_error err = {0};
	struct hybridge_conn *conn = open_echo(check, token, &err);
	struct stream stream;

	if (conn && stream_open(&stream, check->reach, conn, &err) == 0) {
		measure_echo(check, &stream, &err);
		stream_close(&stream);
	}
	if (err.code != HYBRIDGE_OK)
		report_failure(check->report, "echo", check->entity,
			       REPORT_FAIL, &err);
}

static void check_sender(const struct check *check, struct hybridge_conn *conn)
{
	struct hybridge_endpoint_token token = {0};
	struct hybridge_stream_answer answer;
	struct hybridge_conn *stream;

	if (!get_token(check, &token)) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
		row_skipped(check, "listener", check->entity);
		row_skipped(check, "service", check->connection->hosts);
		row_skipped(check, "echo", check->entity);
		return;
	}
	stream = reach_ask(check->reach, check->index, conn, token.text,
			   &answer);
	report_answer(check, &answer);
	if (stream) {
		stream_leave(check->reach, stream);
		check_echo(check, token.text);
	} else {
		row_skipped(check, "echo", check->entity);
	}
	hybridge_endpoint_token_free(&token);
}

static void skip_sender(const struct check *check)
{
	row_skipped(check, "relay", check->place);
	row_skipped(check, "token", check->signer);
	row_skipped(check, "listener", check->entity);
	row_skipped(check, "service", check->connection->hosts);
	row_skipped(check, "echo", check->entity);
}

/* As an agent. */

static void report_listeners(const struct check *check, int listeners)
{
	struct hybridge_error err = {0};

	if (listeners > 0) {
		report_row(check->report, "listener", check->entity,
			   REPORT_PASS, "%d connected", listeners);
	} else if (listeners == 0) {
		hybridge_fail(&err, HYBRIDGE_EREFUSED,
			      "no agent is connected now");
		hybridge_hint(&err, "start it: hybridge-agent -f %s",
			      check->reach->config->path
				      ? check->reach->config->path
				      : "FILE");
		report_failure(check->report, "listener", check->entity,
			       REPORT_WARN, &err);
	} else {
		report_row(check->report, "listener", check->entity,
			   REPORT_NONE, "the relay does not say");
	}
}

/* What the key may do is told by a request that only a listener may make. */
static void check_listening(const struct check *check)
{
	struct hybridge_endpoint_token token = {0};
	struct hybridge_description description;
	struct hybridge_error err = {0};
	int status;
	int ret;

	if (!get_token(check, &token)) {
		row_skipped(check, "listener", check->entity);
		return;
	}
	ret = reach_describe(check->reach, check->relay, token.text,
			     &description, &status, &err);
	hybridge_endpoint_token_free(&token);
	if (ret == 0) {
		report_row(check->report, "token", check->signer, REPORT_PASS,
			   "may listen");
		report_listeners(check, description.listeners);
		return;
	}
	if (status == 404)
		hybridge_hint(&err, "create the hybrid connection, or mend "
				    "Endpoint and EntityPath");
	else if (status == 403)
		hybridge_hint(&err, "use a rule that has the Listen right");
	else if (status == 401)
		hybridge_hint(&err, "check SharedAccessKeyName and "
				    "SharedAccessKey");
	report_failure(check->report, "token", check->signer, REPORT_FAIL,
		       &err);
	row_skipped(check, "listener", check->entity);
	report_clock(check, err.what);
}

static void check_target(const struct check *check)
{
	const struct hybridge_connection *connection = check->connection;
	struct hybridge_error err = {0};
	struct hybridge_conn *conn;
	char place[PLACE_MAX];

	if (!connection->target_host) {
		report_row(check->report, "target", "", REPORT_NONE,
			   "the hybrid connection's user metadata name it");
		return;
	}
	snprintf(place, sizeof(place), "%s:%u", connection->target_host,
		 connection->target_port);
	conn = reach_target(check->reach, connection->target_host,
			    connection->target_port, &err);
	if (!conn) {
		hybridge_hint(&err, "check the service, its port, and the way "
				    "from this machine to it");
		report_failure(check->report, "target", place, REPORT_FAIL,
			       &err);
		return;
	}
	report_row(check->report, "target", place, REPORT_PASS,
		   "connected in %lld ms", (long long)check->reach->took_ms);
	hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
}

static void check_agent(const struct check *check, bool reached)
{
	if (reached) {
		check_listening(check);
	} else {
		row_skipped(check, "token", check->signer);
		row_skipped(check, "listener", check->entity);
	}
	check_target(check);
}

/* All of it. */

static const char *signer_of(const struct hybridge_connection *connection)
{
	if (connection->token_command)
		return "of the command";
	if (connection->token_file)
		return connection->token_file;
	if (connection->relay.signature)
		return "ready-made";
	return connection->relay.key_name ? connection->relay.key_name : "none";
}

void doctor_check(struct reach *reach, size_t index, struct report *report)
{
	const struct hybridge_connection *connection =
		&reach->config->connections[index];
	bool is_agents = connection->target_host || connection->allow_text;
	struct check check = {
		.reach = reach,
		.report = report,
		.connection = connection,
		.relay = &connection->relay,
		.index = index,
		.entity = connection->relay.entity ? connection->relay.entity
						   : "",
		.signer = signer_of(connection),
	};
	struct hybridge_conn *conn;
	bool reached;

	snprintf(check.place, sizeof(check.place), "%s:%u",
		 connection->relay.host, connection->relay.port);
	conn = check_way(&check);
	reached = conn != NULL;
	if (connection->hosts && conn) {
		check_sender(&check, conn);
	} else {
		hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
		if (connection->hosts)
			skip_sender(&check);
	}
	if (is_agents)
		check_agent(&check, reached);
	else if (!connection->hosts)
		report_row(report, "service", "", REPORT_NONE,
			   "no HOSTS, TARGET or ALLOW: nobody uses it");
}
