// Fetches a page, as any node program would.
const http = require('http');

http.get(process.argv[2], (res) => {
	res.setEncoding('utf8');
	res.on('data', (text) => console.log(`${res.statusCode} ${text.trim()}`));
}).on('error', (error) => {
	console.error(error.message);
	process.exitCode = 1;
});
