/*
 * request_table.c - finds requests by the cookie and by the address of the program's socket.
 *
 * A request that uthash had no memory for is only not found by that key.
 */
#include "request_table.h"

#include <string.h>

#include <utlist.h>

#include "request.h"
#include "sender.h"

/* NOLINTBEGIN(readability-function-size): uthash's macros are long. */

struct request *request_of_cookie(struct sender *sender, uint64_t cookie)
{
	struct request *request = NULL;

	if (cookie)
		HASH_FIND(by_cookie, sender->by_cookie, &cookie, sizeof(cookie),
			  request);
	return request;
}

static struct request *of_address(struct sender *sender,
				  const struct hold_address *address)
{
	struct request *request = NULL;

	HASH_FIND(by_address, sender->by_address, address, sizeof(*address),
		  request);
	return request;
}

void request_forget_cookie(struct request *request)
{
	if (!request->by_cookie.tbl)
		return;
	HASH_DELETE(by_cookie, request->sender->by_cookie, request);
	request->by_cookie.tbl = NULL;
}

static void forget_address(struct request *request)
{
	if (!request->by_address.tbl)
		return;
	HASH_DELETE(by_address, request->sender->by_address, request);
	request->by_address.tbl = NULL;
}

void request_enter(struct request *request)
{
	struct sender *sender = request->sender;

	DL_APPEND(sender->requests, request);
	sender->num_requests++;
	if (request->route)
		request->route->plan->num_requests++;
	if (request->cookie)
		HASH_ADD(by_cookie, sender->by_cookie, cookie,
			 sizeof(request->cookie), request);
}

static void enter_address(struct request *request)
{
	HASH_ADD(by_address, request->sender->by_address, address,
		 sizeof(request->address), request);
}

/* NOLINTEND(readability-function-size) */

void request_leave(struct request *request)
{
	struct sender *sender = request->sender;

	request_forget_cookie(request);
	forget_address(request);
	DL_DELETE(sender->requests, request);
	sender->num_requests--;
	if (request->route)
		request->route->plan->num_requests--;
}

void request_locate(struct request *request)
{
	struct request *old;

	if (request->located || request->state > REQUEST_OPEN ||
	    !hold_address(&request->hold, &request->address))
		return;
	request->address.port |= request->hold.at.port << 16;
	request->located = true;
	old = of_address(request->sender, &request->address);
	if (old)
		forget_address(old);
	enter_address(request);
}

struct request *request_find(struct sender *sender,
			     const struct hold_address *address,
			     uint16_t hold_port)
{
	struct hold_address key = *address;

	for (struct request *request = sender->requests; request;
	     request = request->next)
		request_locate(request);
	if (hold_port) {
		key.port |= (uint64_t)hold_port << 16;
		return of_address(sender, &key);
	}
	for (struct request *request = sender->requests; request;
	     request = request->next) {
		struct hold_address at = request->address;

		at.port &= UINT16_MAX;
		if (request->located && memcmp(&at, &key, sizeof(key)) == 0)
			return request;
	}
	return NULL;
}
