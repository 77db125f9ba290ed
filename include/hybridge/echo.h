/*
 * echo.h - how a stream is asked for that hybridge-agent answers itself, in place of its target:
 * PROTOCOL.md, "What we add".
 *
 * Other listeners do not know the header.  So nothing may be sent before the greeting has come:
 * it would go to the service.
 */
#ifndef HYBRIDGE_ECHO_H
#define HYBRIDGE_ECHO_H

/** HYBRIDGE_ECHO - Header of the request for the stream, and its value */
#define HYBRIDGE_ECHO    "Hybridge-Echo"
#define HYBRIDGE_ECHO_ON "1"

/** HYBRIDGE_ECHO_GREETING - How the agent's first text message begins; its version follows.  From
 * then on each text message comes back */
#define HYBRIDGE_ECHO_GREETING "hybridge-agent/"

/** HYBRIDGE_ECHO_MAX - Bytes of one message at most; a longer one ends the stream with 1009 */
#define HYBRIDGE_ECHO_MAX 125

#endif
