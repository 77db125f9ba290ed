// Foreign WebSocket clients that do what lines of JSON on standard input say, and tell in lines
// of JSON what they see: Microsoft's hyco-ws as listener and sender, hyco-https as listener, and
// a plain ws client.
//
// {"do": "listen",  "as": NAME, "url": URL, "token": TOKEN, "then": "echo"}   hyco-ws
// {"do": "connect", "as": NAME, "url": URL, "token": TOKEN}                   hyco-ws
// {"do": "serve",   "as": NAME, "url": URL, "token": TOKEN}                   hyco-https
// {"do": "open",    "as": NAME, "url": URL, "headers": {}, "protocols": [], "deflate": false}   ws
// {"do": "send",    "as": NAME, "text": TEXT}   or "size": how many random bytes
// {"do": "close",   "as": NAME, "code": CODE, "reason": REASON}
// {"do": "drop",    "as": NAME}                  hang up without a word
// {"do": "shut",    "as": NAME}                  a hyco-ws listener, for good
// {"do": "hear",    "as": NAME, "bytes": COUNT}  tell when so many have come
// {"do": "token",   "as": NAME, "url": URL, "rule": RULE, "key": KEY}   made by hyco-ws
//
// A listener's streams are called NAME/1, NAME/2 ...; what happens to each when it is open
// says "then": "echo", "greet" (one text), "bye" (close at once) or "wait".
"use strict";

const crypto = require("crypto");
const readline = require("readline");
const hyco = require("hyco-ws");
const hycoHttps = require("hyco-https");
const WebSocket = require("ws");

const TEXT_SHOWN = 65536;
const BYTES_SHOWN = 64;
const GREETING = "gr\u00fc\u00dfe";

const sockets = new Map(); // name: {socket, bytes, hash, wanted}
const listeners = new Map();

// In ASCII: to some readers a line ends at U+0085 or U+2028 too.
function tell(as, event, more) {
	const line = JSON.stringify({ as, [event]: true, ...more });
	const escaped = line.replace(/[\u007f-\uffff]/g, (unit) => {
		return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
	});

	process.stdout.write(escaped + "\n");
}

function hear(as) {
	const one = sockets.get(as);

	if (one.wanted === null || one.bytes < one.wanted)
		return;
	one.wanted = null;
	tell(as, "heard", { bytes: one.bytes, sha256: one.hash.copy().digest("hex") });
}

function onMessage(as, data, isText) {
	const one = sockets.get(as);
	const bytes = Buffer.from(data);

	one.bytes += bytes.length;
	one.hash.update(bytes);
	if (bytes.length <= (isText ? TEXT_SHOWN : BYTES_SHOWN))
		tell(as, "message", { text: bytes.toString(), binary: !isText });
	hear(as);
}

// ws 1 (in hyco-ws) hands text over as a string, ws 8 as bytes and a flag.
function watch(as, socket) {
	sockets.set(as, { socket, bytes: 0, hash: crypto.createHash("sha256"), wanted: null });
	socket.on("open", () => {
		const { protocol, extensions } = socket;

		tell(as, "open", { protocol: protocol || "", extensions: String(extensions || "") });
	});
	socket.on("message", (data, flag) => {
		onMessage(as, data, typeof data === "string" || flag === false);
	});
	socket.on("ping", () => tell(as, "pinged"));
	socket.on("close", (code, reason) => tell(as, "closed", { code, reason: String(reason) }));
	socket.on("error", (error) => tell(as, "failed", { text: error.message }));
	return socket;
}

const AFTERWARDS = {
	wait: () => {},
	bye: (socket) => socket.on("open", () => socket.close(1000, "bye")),
	greet: (socket) => socket.on("open", () => socket.send(GREETING)),
	echo: (socket) => {
		socket.on("message", (data) => socket.send(data, { binary: typeof data !== "string" }));
	},
};

function listen({ as, url, token, then }) {
	let count = 0;
	const server = hyco.createRelayedServer({ server: url, token }, (socket) => {
		const name = `${as}/${++count}`;

		tell(as, "accepted", { stream: name, count });
		AFTERWARDS[then || "echo"](watch(name, socket));
	});

	listeners.set(as, server);
	server.on("listening", () => tell(as, "listening"));
	server.on("error", (error) => tell(as, "refused", { text: error.message }));
	server.on("close", () => tell(as, "shut"));
}

function serve({ as, url, token }) {
	const server = hycoHttps.createRelayedServer({ server: url, token }, (request, response) => {
		tell(as, "request", { method: request.method, url: request.url });
		response.end("hello");
	});

	server.on("listening", () => tell(as, "listening"));
	server.on("error", (error) => tell(as, "refused", { text: error.message }));
	server.listen();
}

function open({ as, url, headers, protocols, deflate }) {
	const options = { headers, perMessageDeflate: Boolean(deflate) };
	const socket = watch(as, new WebSocket(url, protocols || [], options));

	socket.on("unexpected-response", (request, response) => {
		const { statusCode: status, statusMessage: reason, headers: told } = response;

		tell(as, "refused", { status, reason, headers: told });
		request.destroy();
	});
}

function send({ as, text, size }) {
	const { socket } = sockets.get(as);
	const data = text === undefined ? crypto.randomBytes(size) : text;

	socket.send(data, { binary: text === undefined }, () => {
		tell(as, "sent", { sha256: crypto.createHash("sha256").update(data).digest("hex") });
	});
}

const COMMANDS = {
	listen,
	open,
	send,
	serve,
	connect: ({ as, url, token }) => watch(as, hyco.relayedConnect(url, token)),
	close: ({ as, code, reason }) => sockets.get(as).socket.close(code, reason),
	drop: ({ as }) => sockets.get(as).socket.terminate(),
	shut: ({ as }) => listeners.get(as).close(),
	hear: ({ as, bytes }) => {
		sockets.get(as).wanted = bytes;
		hear(as);
	},
	token: ({ as, url, rule, key }) => {
		tell(as, "token", { text: hyco.createRelayToken(url, rule, key) });
	},
};

readline
	.createInterface({ input: process.stdin })
	.on("line", (line) => {
		const command = JSON.parse(line);

		COMMANDS[command.do](command);
	})
	.on("close", () => process.exit(0));
