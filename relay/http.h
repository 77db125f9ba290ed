/*
 * http.h - plain HTTP requests on the relay's own port.
 */
#ifndef HYBRIDGE_RELAY_HTTP_H
#define HYBRIDGE_RELAY_HTTP_H

#include "call.h"

/** http_serve() - Answer a request that is not for "/$hc/"; takes the call's connection over */
void http_serve(struct call *call);

#endif
