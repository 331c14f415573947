// Package capture reads what others have recorded, and makes the same trace
// records of it that a connection makes while it lives: pcap and pcapng files,
// HAR exports of browsers, the output of curl -v, hex dumps and raw bytes.
//
// Packets become streams (Reader, assembler, stream), streams are decrypted
// where the secrets are known (secured), and what they say goes to the observer
// machines that tap shares (tap.Follower). Everything is read once, from front
// to back, and what is kept is bounded whatever a file says of itself: docs/captures.md
// has the bounds.
package capture
