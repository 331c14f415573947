/* The opening handshake: SHA-1 of the key and the GUID, in Base64. */
#include "limit.h"

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint32_t turn(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void mix(uint32_t h[5], const unsigned char *block) {
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
	memcpy(w, block, 64);
	for (int i = 0; i < 80; i++) {
		w[i] = i < 16 ? be32toh(w[i]) : turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
		uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
		uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
		uint32_t next = turn(a, 5) + f + e + k + w[i];
		e = d, d = c, c = turn(b, 30), b = a, a = next;
	}
	h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

/* sum hashes 60 bytes, which is what a key and the GUID are: two blocks. */
static void sum(const char *text, unsigned char out[21]) {
	unsigned char blocks[128] = {0};
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	memcpy(blocks, text, 60);
	blocks[60] = 0x80, blocks[126] = 60 * 8 >> 8, blocks[127] = (60 * 8) & 255;
	mix(h, blocks);
	mix(h, blocks + 64);
	for (int i = 0; i < 5; i++)
		h[i] = htobe32(h[i]);
	memcpy(out, h, 20);
}

static void encode(unsigned char sum[21], char out[29]) {
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	sum[20] = 0;
	for (int i = 0; i < 7; i++) {
		uint32_t bits = sum[3 * i] << 16 | sum[3 * i + 1] << 8 | sum[3 * i + 2];
		for (int j = 0; j < 4; j++)
			out[4 * i + j] = digits[bits >> (18 - 6 * j) & 63];
	}
	out[27] = '=', out[28] = 0;
}

int ws_open(int fd, char *request) {
	char text[61] = {0}, accept[29], answer[200];
	unsigned char digest[21];
	char *key = strstr(request, "Sec-WebSocket-Key: ");
	if (!key)
		return -1;
	memcpy(text, key + 19, 24);
	memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
	sum(text, digest);
	encode(digest, accept);
	int n = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	return write(fd, answer, n) == n ? 0 : -1;
}
