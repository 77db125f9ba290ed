/*
 * test_sender_wildcard.c - names of wildcards outlive the sender that learnt them.
 */
#include "sender_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../sender/wildcard.h"

#define A 0x7f400001
#define B 0x7f400002

static char folder[] = "/tmp/hybridge-wildcard-XXXXXX";
static char socket_path[64], file_path[80];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/s.sock", folder);
	snprintf(file_path, sizeof(file_path), "%s.names", socket_path);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int remove_file(void **state)
{
	(void)state;
	return remove(file_path);
}

/* A sender that has taken over what the file has. */
static struct sender *next_sender(struct sender_fixture *sf)
{
	sender_setup_with(sf, "30s");
	wildcard_open(sf->sender, socket_path);
	return sf->sender;
}

static void expect(struct sender_fixture *sf, uint32_t address,
		   const char *name)
{
	const char *found = names_find(&sf->sender->names, address);

	if (name) {
		assert_non_null(found);
		assert_string_equal(found, name);
	} else {
		assert_null(found);
	}
}

static void write_file(const char *text)
{
	FILE *file = fopen(file_path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static off_t size_of_file(void)
{
	struct stat st;

	assert_int_equal(stat(file_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	return st.st_size;
}

static void the_next_sender_knows_them(void **state)
{
	struct sender_fixture sf;
	off_t size;

	(void)state;
	next_sender(&sf);
	wildcard_remember(sf.sender, A, "x.wild.corp");
	wildcard_remember(sf.sender, B, "old.wild.corp");
	wildcard_remember(sf.sender, B, "new.wild.corp");
	size = size_of_file();
	wildcard_remember(sf.sender, A, "X.wild.corp");
	assert_int_equal(size_of_file(), size); /* nothing new */
	sender_teardown(&sf);
	next_sender(&sf);
	expect(&sf, A, "x.wild.corp");
	expect(&sf, B, "new.wild.corp");
	assert_int_equal(size_of_file(), size);
	sender_teardown(&sf);
}

/* Of two services, the one that was meant cannot be told: not by the next sender either. */
static void an_address_of_two_services_stays_refused(void **state)
{
	struct sender_fixture sf;

	(void)state;
	next_sender(&sf);
	wildcard_remember(sf.sender, A, "x.wild.corp");
	wildcard_remember(sf.sender, A, "x.elsewhere.corp");
	expect(&sf, A, NULL);
	for (int i = 0; i < 3; i++) {
		off_t size = size_of_file();

		sender_teardown(&sf);
		next_sender(&sf);
		wildcard_remember(sf.sender, A, "x.wild.corp");
		expect(&sf, A, NULL);
		assert_int_equal(size_of_file(), size);
	}
	sender_teardown(&sf);
}

static void it_is_written_anew_when_most_of_it_is_old(void **state)
{
	struct sender_fixture sf;
	off_t largest = 0;

	(void)state;
	next_sender(&sf);
	wildcard_remember(sf.sender, B, "shared.wild.corp");
	wildcard_remember(sf.sender, B, "shared.elsewhere.corp");
	for (int i = 0; i < 3000; i++) {
		off_t size;

		wildcard_remember(sf.sender, A,
				  i % 2 ? "odd.wild.corp" : "even.wild.corp");
		size = size_of_file();
		largest = size > largest ? size : largest;
	}
	/* Some thousand lines of 26 bytes at the most. */
	assert_in_range(largest, 1, 1100 * 26);
	sender_teardown(&sf);
	next_sender(&sf);
	expect(&sf, A, "odd.wild.corp");
	expect(&sf, B, NULL);
	assert_true(names_is_shared(&sf.sender->names, B));
	sender_teardown(&sf);
}

static void what_a_crash_or_another_has_left_is_cut_off(void **state)
{
	static const char *const cases[] = {
		"127.64.0.2 torn.wild.cor",
		"127.64.0.2",
		"no address\n127.64.0.2 y.wild.corp\n",
		"127.64.0.2 two words\n",
		"127.64.0.2 \n",
		"\n127.64.0.2 y.wild.corp\n",
	};
	static const char good[] = "127.64.0.1 x.wild.corp\n";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		struct sender_fixture sf;

		print_message("case: %s\n", cases[i]);
		snprintf(text, sizeof(text), "%s%s", good, cases[i]);
		write_file(text);
		assert_int_equal(chmod(file_path, 0600), 0);
		next_sender(&sf);
		assert_non_null(sf.sender->wildcard_file);
		expect(&sf, A, "x.wild.corp");
		expect(&sf, B, NULL);
		assert_int_equal(size_of_file(), sizeof(good) - 1);
		wildcard_remember(sf.sender, B, "z.wild.corp");
		sender_teardown(&sf);
		next_sender(&sf);
		expect(&sf, B, "z.wild.corp");
		sender_teardown(&sf);
	}
}

static void
another_file_of_ours_that_was_linked_there_is_left_alone(void **state)
{
	struct sender_fixture sf;
	char other[96];

	(void)state;
	snprintf(other, sizeof(other), "%s.other", file_path);
	write_file("precious\n");
	assert_int_equal(link(file_path, other), 0);
	next_sender(&sf);
	assert_null(sf.sender->wildcard_file);
	wildcard_remember(sf.sender, A, "x.wild.corp");
	expect(&sf, A, "x.wild.corp");
	sender_teardown(&sf);
	assert_int_equal(chmod(other, 0600), 0);
	assert_int_equal(size_of_file(), strlen("precious\n"));
	assert_int_equal(unlink(other), 0);
}

static void a_name_that_is_no_line_is_not_written(void **state)
{
	struct sender_fixture sf;

	(void)state;
	next_sender(&sf);
	wildcard_remember(sf.sender, A, "x\n127.64.0.2 y.wild.corp");
	wildcard_remember(sf.sender, A, "");
	assert_int_equal(size_of_file(), 0);
	sender_teardown(&sf);
}

/* Then it must not leave: nobody else would know. */
static void without_the_file_a_sender_that_knows_names_is_not_idle(void **state)
{
	struct sender_fixture sf;

	(void)state;
	assert_int_equal(mkdir(file_path, 0700), 0);
	for (int kept = 0; kept < 2; kept++) {
		next_sender(&sf);
		assert_int_equal(sf.sender->wildcard_file != NULL, kept);
		sf.sender->idle_exit = true;
		sender_changed(sf.sender);
		assert_int_not_equal(sf.sender->idle.slot, 0);
		wildcard_remember(sf.sender, A, "x.wild.corp");
		sender_changed(sf.sender);
		assert_int_equal(sf.sender->idle.slot != 0, kept);
		sender_teardown(&sf);
		if (!kept)
			assert_int_equal(rmdir(file_path), 0);
	}
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, NULL, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILE(the_next_sender_knows_them),
		WITH_FILE(an_address_of_two_services_stays_refused),
		WITH_FILE(it_is_written_anew_when_most_of_it_is_old),
		WITH_FILE(what_a_crash_or_another_has_left_is_cut_off),
		WITH_FILE(
			another_file_of_ours_that_was_linked_there_is_left_alone),
		WITH_FILE(a_name_that_is_no_line_is_not_written),
		WITH_FILE(
			without_the_file_a_sender_that_knows_names_is_not_idle),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
