/* test_address.c - the address that stands for a name, and the way back. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/address.h>

static struct hybridge_span span(const char *text)
{
	return (struct hybridge_span){text, strlen(text)};
}

static uint32_t v4_of(const char *name)
{
	return hybridge_address_v4(HYBRIDGE_RANGE_DEFAULT, span(name));
}

/* The values below are part of the contract: other processes and machines compute them too. */
static void a_name_has_the_same_address_for_ever(void **state)
{
	static const struct {
		const char *name;
		const char *address;
	} cases[] = {
		{"db.corp", "127.90.29.60"},
		{"sql01.corp", "127.88.2.16"},
		{"10.1.2.3", "127.67.129.90"},
		{"2001:db8::1", "127.78.214.186"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("case: %s\n", cases[i].name);
		assert_int_equal(v4_of(cases[i].name),
				 ntohl(inet_addr(cases[i].address)));
	}
}

static void spelling_does_not_change_the_address(void **state)
{
	(void)state;
	assert_int_equal(v4_of("DB.Corp."), v4_of("db.corp"));
	assert_int_equal(v4_of("2001:DB8:0:0::0001"), v4_of("2001:db8::1"));
	assert_int_equal(v4_of("::ffff:10.1.2.3"), v4_of("10.1.2.3"));
	assert_int_not_equal(v4_of("db.corp"), v4_of("db.corq"));
}

static void addresses_stay_in_the_range_and_clear_of_its_edges(void **state)
{
	static const struct hybridge_range ranges[] = {
		{0x7f400000u, 10}, {0x7f010000u, 16}, {0x7f010200u, 24},
		{0x0a000000u, 8},  {0x7f018000u, 17},
	};
	char name[] = "host-000";

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		print_message("case: /%u\n", ranges[i].prefix);
		for (int n = 0; n < 1000; n++) {
			uint32_t v4;

			name[5] = (char)('0' + n / 100);
			name[6] = (char)('0' + n / 10 % 10);
			name[7] = (char)('0' + n % 10);
			v4 = hybridge_address_v4(ranges[i], span(name));
			assert_int_equal(v4 >> (32 - ranges[i].prefix),
					 ranges[i].base >>
						 (32 - ranges[i].prefix));
			assert_int_not_equal(v4 & 0xff, 0);
			assert_int_not_equal(v4 & 0xff, 255);
		}
	}
}

static void ranges_are_read_when_whole_and_aligned(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"127.64.0.0/10", true}, {"127.1.2.0/24", true},
		{"10.0.0.0/8", true},    {"127.64.0.1/10", false},
		{"127.64.0.0", false},   {"127.0.0.0/7", false},
		{"127.1.2.0/25", false}, {"127.0.0.0/08", false},
		{"127.1.2.0/", false},   {"127.1.2.0/2x", false},
		{"fd00::/16", false},    {"", false},
		{"/8", false},           {"127.1.2.0/240", false},
	};
	struct hybridge_range range;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("case: %s\n", cases[i].text);
		assert_int_equal(
			hybridge_range_parse(span(cases[i].text), &range),
			cases[i].good);
	}
	assert_true(hybridge_range_parse(span("127.64.0.0/10"), &range));
	assert_int_equal(range.base, HYBRIDGE_RANGE_DEFAULT.base);
	assert_int_equal(range.prefix, HYBRIDGE_RANGE_DEFAULT.prefix);
}

static void our_addresses_are_recognised_in_all_their_forms(void **state)
{
	static const struct {
		const char *text;
		uint32_t v4;
	} cases[] = {
		{"127.64.0.1", 0x7f400001},
		{"127.127.255.254", 0x7f7ffffe},
		{"::ffff:127.64.0.1", 0x7f400001},
		{"fd68:7962:7269:6467::7f40:1", 0x7f400001},
		{"127.63.255.255", 0},
		{"127.128.0.0", 0},
		{"127.0.0.1", 0},
		{"::1", 0},
		{"::127.64.0.1", 0},
		{"::ffff:10.0.0.1", 0},
		{"fd68:7962:7269:6467:0:1:7f40:1", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_ip ip;
		uint32_t v4 = 0;

		print_message("case: %s\n", cases[i].text);
		assert_true(hybridge_ip_parse(span(cases[i].text), &ip));
		assert_int_equal(hybridge_address_is_ours(
					 HYBRIDGE_RANGE_DEFAULT, &ip, &v4),
				 cases[i].v4 != 0);
		assert_int_equal(v4, cases[i].v4);
	}
}

static void an_ipv6_address_leads_back_to_its_ipv4_form(void **state)
{
	struct hybridge_ip ip = {.family = 6};
	uint32_t v4;

	(void)state;
	hybridge_address_v6(v4_of("db.corp"), ip.bytes);
	assert_true(hybridge_address_is_ours(HYBRIDGE_RANGE_DEFAULT, &ip, &v4));
	assert_int_equal(v4, v4_of("db.corp"));
}

static void only_entries_for_one_host_have_an_address(void **state)
{
	struct hybridge_map_entry entries[8] = {0};
	struct hybridge_map map = {.entries = entries};
	struct hybridge_span text =
		span("*.corp:1 10.0.0.0/8:1 db.corp:1 db.corp:2 10.1.2.3:1 "
		     "[2001:db8::1]:1 [2001:db8::]/32:1");
	const char *why;

	(void)state;
	while (hybridge_map_parse_item(&text, &entries[map.len], &why) == 1)
		map.len++;
	assert_int_equal(map.len, 7);
	assert_ptr_equal(hybridge_address_lookup(&map, HYBRIDGE_RANGE_DEFAULT,
						 v4_of("db.corp")),
			 &entries[2]);
	assert_ptr_equal(hybridge_address_lookup(&map, HYBRIDGE_RANGE_DEFAULT,
						 v4_of("10.1.2.3")),
			 &entries[4]);
	assert_ptr_equal(hybridge_address_lookup(&map, HYBRIDGE_RANGE_DEFAULT,
						 v4_of("2001:db8::1")),
			 &entries[5]);
	assert_null(hybridge_address_lookup(&map, HYBRIDGE_RANGE_DEFAULT,
					    v4_of("corp")));
	assert_null(hybridge_address_lookup(&map, HYBRIDGE_RANGE_DEFAULT,
					    v4_of("10.0.0.0")));
	assert_null(hybridge_address_lookup(&map, HYBRIDGE_RANGE_DEFAULT,
					    v4_of("2001:db8::")));
}

static void addresses_are_written_in_their_canonical_form(void **state)
{
	static const char *const cases[] = {
		"0.0.0.0",
		"192.0.2.255",
		"10.100.9.1",
		"::",
		"::1",
		"1::",
		"2001:db8::1",
		"1:2:3:4:5:6:7:8",
		"1:0:3:4:5:6:7:8",
		"1:0:0:4::8",
		"1::4:0:0:8",
		"::2:3:4:5:6:7",
		"1:2:3:4:5:6::",
		"abcd:ef01:2345:6789:abcd:ef01:2345:6789",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[HYBRIDGE_IP_TEXT];
		struct hybridge_ip ip;

		print_message("case: %s\n", cases[i]);
		assert_true(hybridge_ip_parse(span(cases[i]), &ip));
		assert_int_equal(hybridge_ip_format(&ip, text),
				 strlen(cases[i]));
		assert_string_equal(text, cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_the_same_address_for_ever),
		cmocka_unit_test(spelling_does_not_change_the_address),
		cmocka_unit_test(
			addresses_stay_in_the_range_and_clear_of_its_edges),
		cmocka_unit_test(ranges_are_read_when_whole_and_aligned),
		cmocka_unit_test(
			our_addresses_are_recognised_in_all_their_forms),
		cmocka_unit_test(an_ipv6_address_leads_back_to_its_ipv4_form),
		cmocka_unit_test(only_entries_for_one_host_have_an_address),
		cmocka_unit_test(addresses_are_written_in_their_canonical_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
