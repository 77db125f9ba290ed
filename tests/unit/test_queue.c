/*
 * test_queue.c - bytes that wait come out in order, and take no memory when gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../../common/queue.h"

static void random_operations_keep_every_byte_in_order(void **state)
{
	struct queue queue = {0};
	uint64_t in = 0, out = 0;
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint8_t buf[700];
		size_t len, n;

		seed = seed * 1664525u + 1013904223u;
		len = (seed >> 9) % sizeof(buf);
		switch ((seed >> 28) % 3) {
		case 0:
			for (size_t k = 0; k < len; k++)
				buf[k] = (uint8_t)((in + k) % 253);
			assert_int_equal(queue_add(&queue, buf, len), 0);
			in += len;
			break;
		case 1:
			n = queue_take(&queue, buf, len);
			assert_true(n == len || out + n == in);
			for (size_t k = 0; k < n; k++)
				if (buf[k] != (uint8_t)((out + k) % 253))
					fail_msg("byte %zu", (size_t)out + k);
			out += n;
			break;
		default:
			n = len < queue_len(&queue) ? len : queue_len(&queue);
			queue_drop(&queue, n);
			out += n;
		}
		assert_int_equal(queue_len(&queue), in - out);
		if (in == out)
			assert_null(queue.buf);
	}
	assert_true(in > 1000000);
	queue_free(&queue);
}

static void an_empty_queue_owns_no_memory(void **state)
{
	struct queue queue = {0};
	char c;

	(void)state;
	assert_int_equal(queue_add(&queue, "", 0), 0);
	assert_null(queue.buf);
	assert_int_equal(queue_take(&queue, &c, 1), 0);
	queue_drop(&queue, 0);
	assert_int_equal(queue_add(&queue, "x", 1), 0);
	assert_non_null(queue.buf);
	assert_int_equal(queue_take(&queue, &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_null(queue.buf);
	assert_int_equal(queue.room, 0);
	queue_free(&queue);
}

static void memory_stays_in_proportion_to_what_waits(void **state)
{
	struct queue queue = {0};
	uint8_t buf[1000] = {0};

	(void)state;
	assert_int_equal(queue_add(&queue, buf, sizeof(buf)), 0);
	/* Never empty: what was taken must not be kept. */
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(queue_add(&queue, buf, 500), 0);
		assert_int_equal(queue_take(&queue, buf, 500), 500);
		assert_true(queue.room <= 4000);
	}
	queue_free(&queue);
	assert_int_equal(queue_len(&queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_keep_every_byte_in_order),
		cmocka_unit_test(an_empty_queue_owns_no_memory),
		cmocka_unit_test(memory_stays_in_proportion_to_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
