/*
 * test_proxy.c - proxy URLs, NO_PROXY, and the request that a proxy gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../common/proxy.h"

static void urls_are_taken_apart(void **state)
{
	static const struct {
		const char *url;
		const char *host;
		uint16_t port;
		const char *credentials;
	} cases[] = {
		{"http://proxy", "proxy", 80, NULL},
		{"http://proxy.corp:3128", "proxy.corp", 3128, NULL},
		{"HTTP://proxy:3128/", "proxy", 3128, NULL},
		{"http://10.0.0.1:1/path?x#y", "10.0.0.1", 1, NULL},
		{"http://[::1]:3128", "::1", 3128, NULL},
		{"http://user:pass@proxy:1", "proxy", 1, "user:pass"},
		{"http://user@proxy", "proxy", 80, "user"},
		{"http://u:p%40%3a%2F%25@proxy", "proxy", 80, "u:p@:/%"},
		{"http://u:p@ss@proxy", "proxy", 80, "u:p@ss"},
		{"http://u:a+b@proxy", "proxy", 80, "u:a+b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_error err = {0};
		struct proxy proxy = {0};

		print_message("case: %s\n", cases[i].url);
		assert_int_equal(proxy_parse(cases[i].url, &proxy, &err), 0);
		assert_string_equal(proxy.host, cases[i].host);
		assert_int_equal(proxy.port, cases[i].port);
		if (cases[i].credentials)
			assert_string_equal(proxy.credentials,
					    cases[i].credentials);
		else
			assert_null(proxy.credentials);
		assert_int_equal(err.code, HYBRIDGE_OK);
		proxy_free(&proxy);
		assert_null(proxy.host);
		assert_null(proxy.credentials);
		proxy_free(&proxy);
	}
}

static void wrong_urls_are_refused_without_showing_the_password(void **state)
{
	static const char *const urls[] = {
		"",
		"proxy:3128",
		"https://user:s3cret@proxy",
		"socks5://user:s3cret@proxy",
		"http:/user:s3cret@proxy",
		"http://",
		"http://user:s3cret@",
		"http://user:s3cret@/x",
		"http://user:s3cret@proxy:0",
		"http://user:s3cret@proxy:65536",
		"http://user:s3cret@proxy:12x",
		"http://user:s3cret%4@proxy",
		"http://user:s3cret%zz@proxy",
		"http://user:s3cret%00@proxy",
		"http://user:s3cret@pro xy",
		"http://user:s3cret@[::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct hybridge_error err = {0};
		struct proxy proxy = {.port = 7};

		print_message("case: '%s'\n", urls[i]);
		assert_int_equal(proxy_parse(urls[i], &proxy, &err), -1);
		assert_int_equal(err.code, HYBRIDGE_ECONFIG);
		assert_null(strstr(err.what, "s3cret"));
		assert_null(strstr(err.hint, "s3cret"));
		assert_string_not_equal(err.hint, "");
		assert_int_equal(proxy.port, 7); /* untouched */
		assert_null(proxy.host);
	}
}

static void no_proxy_names_hosts_suffixes_and_ports(void **state)
{
	static const struct {
		const char *no_proxy;
		const char *host;
		uint16_t port;
		bool bypassed;
	} cases[] = {
		{NULL, "a", 1, false},
		{"", "a", 1, false},
		{" , ,", "a", 1, false},
		{"*", "a.b.c", 1, true},
		{"x,*", "a.b.c", 1, true},
		{"a.b", "a.b", 1, true},
		{"A.b", "a.B", 1, true},
		{"b", "a.b", 1, true},
		{".b", "a.b", 1, true},
		{"*.b", "a.b", 1, true},
		{".b", "b", 1, true},
		{".b", "ab", 1, false},
		{"b", "ab", 1, false},
		{"a.b", "b", 1, false},
		{"c,a.b ,d", "a.b", 1, true},
		{"c a.b d", "a.b", 1, true},
		{"a.b:443", "a.b", 443, true},
		{"a.b:443", "a.b", 80, false},
		{"127.0.0.1", "127.0.0.1", 1, true},
		{"127.0.0.1", "27.0.0.1", 1, false},
		{"[::1]", "::1", 1, true},
		{"::1", "::1", 1, true},
		{"a,2001:db8:0::1", "2001:db8::1", 443, true},
		{"::1", "::2", 1, false},
		{"::1", "a", 1, false},
		{"[::1]:443", "::1", 80, false},
		{"::::", "a", 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("case: '%s' for %s:%u\n",
			      cases[i].no_proxy ? cases[i].no_proxy : "(none)",
			      cases[i].host, cases[i].port);
		assert_int_equal(proxy_bypassed(cases[i].no_proxy,
						cases[i].host, cases[i].port),
				 cases[i].bypassed);
	}
}

static void the_request_names_the_destination(void **state)
{
	static const struct {
		const char *credentials;
		const char *host;
		uint16_t port;
		const char *want;
	} cases[] = {
		{NULL, "relay.example", 443,
		 "CONNECT relay.example:443 HTTP/1.1\r\n"
		 "Host: relay.example:443\r\n\r\n"},
		{NULL, "::1", 8443,
		 "CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n"},
		{"", "a", 1, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
		/* RFC 7617 section 2 */
		{"Aladdin:open sesame", "a", 1,
		 "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n"
		 "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
		 "\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *credentials = cases[i].credentials
					    ? strdup(cases[i].credentials)
					    : NULL;
		struct proxy proxy = {.credentials = credentials};
		char *request =
			proxy_request(&proxy, cases[i].host, cases[i].port);

		print_message("case: %s\n", cases[i].host);
		assert_string_equal(request, cases[i].want);
		free(request);
		free(credentials);
	}
}

static void credentials_of_every_length_fit(void **state)
{
	(void)state;
	for (size_t len = 1; len < 70; len++) {
		char credentials[80] = {0};
		struct proxy proxy = {.credentials = credentials};
		const char *base64;
		char *request;

		memset(credentials, 'c', len);
		request = proxy_request(&proxy, "a", 1);
		assert_non_null(request);
		base64 = strstr(request, "Basic ");
		assert_non_null(base64);
		assert_int_equal(strcspn(base64 + 6, "\r"), (len + 2) / 3 * 4);
		free(request);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(
			wrong_urls_are_refused_without_showing_the_password),
		cmocka_unit_test(no_proxy_names_hosts_suffixes_and_ports),
		cmocka_unit_test(the_request_names_the_destination),
		cmocka_unit_test(credentials_of_every_length_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
