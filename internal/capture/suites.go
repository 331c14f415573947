package capture

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
)

// suiteList names cipher suites (the IANA registry): a way to exchange keys, "-"
// where the name has none, and by number what is used with it.
const suiteList = `
RSA 0001:NULL_MD5 0002:NULL_SHA 0004:RC4_128_MD5 0005:RC4_128_SHA 000a:3DES_EDE_CBC_SHA 002f:AES_128_CBC_SHA 0035:AES_256_CBC_SHA 003b:NULL_SHA256
RSA 003c:AES_128_CBC_SHA256 003d:AES_256_CBC_SHA256 0041:CAMELLIA_128_CBC_SHA 0084:CAMELLIA_256_CBC_SHA 009c:AES_128_GCM_SHA256 009d:AES_256_GCM_SHA384
RSA 00ba:CAMELLIA_128_CBC_SHA256 00c0:CAMELLIA_256_CBC_SHA256 c050:ARIA_128_GCM_SHA256 c051:ARIA_256_GCM_SHA384 c09c:AES_128_CCM c09d:AES_256_CCM
RSA c0a0:AES_128_CCM_8 c0a1:AES_256_CCM_8
DHE_RSA 0016:3DES_EDE_CBC_SHA 0033:AES_128_CBC_SHA 0039:AES_256_CBC_SHA 0045:CAMELLIA_128_CBC_SHA 0067:AES_128_CBC_SHA256 006b:AES_256_CBC_SHA256
DHE_RSA 0088:CAMELLIA_256_CBC_SHA 009e:AES_128_GCM_SHA256 009f:AES_256_GCM_SHA384 00be:CAMELLIA_128_CBC_SHA256 00c4:CAMELLIA_256_CBC_SHA256
DHE_RSA c052:ARIA_128_GCM_SHA256 c053:ARIA_256_GCM_SHA384 c09e:AES_128_CCM c09f:AES_256_CCM c0a2:AES_128_CCM_8 c0a3:AES_256_CCM_8
DHE_RSA ccaa:CHACHA20_POLY1305_SHA256
PSK 002c:NULL_SHA 008c:AES_128_CBC_SHA 008d:AES_256_CBC_SHA 00a8:AES_128_GCM_SHA256 00a9:AES_256_GCM_SHA384 00ae:AES_128_CBC_SHA256 00af:AES_256_CBC_SHA384
PSK 00b0:NULL_SHA256 00b1:NULL_SHA384 c06a:ARIA_128_GCM_SHA256 c06b:ARIA_256_GCM_SHA384 c094:CAMELLIA_128_CBC_SHA256 c095:CAMELLIA_256_CBC_SHA384
PSK c0a4:AES_128_CCM c0a5:AES_256_CCM c0a8:AES_128_CCM_8 c0a9:AES_256_CCM_8 ccab:CHACHA20_POLY1305_SHA256
DHE_PSK 002d:NULL_SHA 0090:AES_128_CBC_SHA 0091:AES_256_CBC_SHA 00aa:AES_128_GCM_SHA256 00ab:AES_256_GCM_SHA384 00b2:AES_128_CBC_SHA256
DHE_PSK 00b3:AES_256_CBC_SHA384 00b4:NULL_SHA256 00b5:NULL_SHA384 c06c:ARIA_128_GCM_SHA256 c06d:ARIA_256_GCM_SHA384 c096:CAMELLIA_128_CBC_SHA256
DHE_PSK c097:CAMELLIA_256_CBC_SHA384 c0a6:AES_128_CCM c0a7:AES_256_CCM ccad:CHACHA20_POLY1305_SHA256
RSA_PSK 002e:NULL_SHA 0094:AES_128_CBC_SHA 0095:AES_256_CBC_SHA 00ac:AES_128_GCM_SHA256 00ad:AES_256_GCM_SHA384 00b6:AES_128_CBC_SHA256
RSA_PSK 00b7:AES_256_CBC_SHA384 00b8:NULL_SHA256 00b9:NULL_SHA384 c06e:ARIA_128_GCM_SHA256 c06f:ARIA_256_GCM_SHA384 c098:CAMELLIA_128_CBC_SHA256
RSA_PSK c099:CAMELLIA_256_CBC_SHA384 ccae:CHACHA20_POLY1305_SHA256
DHE_DSS 0032:AES_128_CBC_SHA 0038:AES_256_CBC_SHA 0040:AES_128_CBC_SHA256 0044:CAMELLIA_128_CBC_SHA 006a:AES_256_CBC_SHA256 0087:CAMELLIA_256_CBC_SHA
DHE_DSS 00a2:AES_128_GCM_SHA256 00a3:AES_256_GCM_SHA384 00bd:CAMELLIA_128_CBC_SHA256 00c3:CAMELLIA_256_CBC_SHA256 c056:ARIA_128_GCM_SHA256
DHE_DSS c057:ARIA_256_GCM_SHA384
DH_anon 0034:AES_128_CBC_SHA 003a:AES_256_CBC_SHA 0046:CAMELLIA_128_CBC_SHA 006c:AES_128_CBC_SHA256 006d:AES_256_CBC_SHA256 0089:CAMELLIA_256_CBC_SHA
DH_anon 00a6:AES_128_GCM_SHA256 00a7:AES_256_GCM_SHA384 00bf:CAMELLIA_128_CBC_SHA256 00c5:CAMELLIA_256_CBC_SHA256
- 1301:AES_128_GCM_SHA256 1302:AES_256_GCM_SHA384 1303:CHACHA20_POLY1305_SHA256 1304:AES_128_CCM_SHA256 1305:AES_128_CCM_8_SHA256
ECDH_ECDSA c004:AES_128_CBC_SHA c005:AES_256_CBC_SHA c025:AES_128_CBC_SHA256 c026:AES_256_CBC_SHA384 c02d:AES_128_GCM_SHA256 c02e:AES_256_GCM_SHA384
ECDHE_ECDSA c006:NULL_SHA c007:RC4_128_SHA c008:3DES_EDE_CBC_SHA c009:AES_128_CBC_SHA c00a:AES_256_CBC_SHA c023:AES_128_CBC_SHA256 c024:AES_256_CBC_SHA384
ECDHE_ECDSA c02b:AES_128_GCM_SHA256 c02c:AES_256_GCM_SHA384 c05c:ARIA_128_GCM_SHA256 c05d:ARIA_256_GCM_SHA384 c072:CAMELLIA_128_CBC_SHA256
ECDHE_ECDSA c073:CAMELLIA_256_CBC_SHA384 c0ac:AES_128_CCM c0ad:AES_256_CCM c0ae:AES_128_CCM_8 c0af:AES_256_CCM_8 cca9:CHACHA20_POLY1305_SHA256
ECDH_RSA c00e:AES_128_CBC_SHA c00f:AES_256_CBC_SHA c029:AES_128_CBC_SHA256 c02a:AES_256_CBC_SHA384 c031:AES_128_GCM_SHA256 c032:AES_256_GCM_SHA384
ECDHE_RSA c010:NULL_SHA c011:RC4_128_SHA c012:3DES_EDE_CBC_SHA c013:AES_128_CBC_SHA c014:AES_256_CBC_SHA c027:AES_128_CBC_SHA256 c028:AES_256_CBC_SHA384
ECDHE_RSA c02f:AES_128_GCM_SHA256 c030:AES_256_GCM_SHA384 c060:ARIA_128_GCM_SHA256 c061:ARIA_256_GCM_SHA384 c076:CAMELLIA_128_CBC_SHA256
ECDHE_RSA c077:CAMELLIA_256_CBC_SHA384 cca8:CHACHA20_POLY1305_SHA256
ECDH_anon c015:NULL_SHA c018:AES_128_CBC_SHA c019:AES_256_CBC_SHA
SRP_SHA c01d:AES_128_CBC_SHA c020:AES_256_CBC_SHA
SRP_SHA_RSA c01e:AES_128_CBC_SHA c021:AES_256_CBC_SHA
SRP_SHA_DSS c01f:AES_128_CBC_SHA c022:AES_256_CBC_SHA
ECDHE_PSK c035:AES_128_CBC_SHA c036:AES_256_CBC_SHA c037:AES_128_CBC_SHA256 c038:AES_256_CBC_SHA384 c039:NULL_SHA c03a:NULL_SHA256 c03b:NULL_SHA384
ECDHE_PSK c09a:CAMELLIA_128_CBC_SHA256 c09b:CAMELLIA_256_CBC_SHA384 ccac:CHACHA20_POLY1305_SHA256 d001:AES_128_GCM_SHA256 d002:AES_256_GCM_SHA384
ECDHE_PSK d003:AES_128_CCM_8_SHA256 d005:AES_128_CCM_SHA256
PSK_DHE c0aa:AES_128_CCM_8 c0ab:AES_256_CCM_8
`

// suiteNames are the names by number.
var suiteNames = sync.OnceValue(func() map[int]string {
	names := map[int]string{}
	for line := range strings.Lines(suiteList) {
		words := strings.Fields(line)
		for i, word := range words {
			number, name, _ := strings.Cut(word, ":")
			id, err := strconv.ParseUint(number, 16, 16)
			switch {
			case i == 0 || err != nil:
			case words[0] == "-":
				names[int(id)] = "TLS_" + name
			default:
				names[int(id)] = "TLS_" + words[0] + "_WITH_" + name
			}
		}
	}
	return names
})

func suiteName(id int) string {
	if name := suiteNames()[id]; name != "" {
		return name
	}
	return fmt.Sprintf("0x%04X", id)
}

// sealing is how records are sealed.
type sealing uint8

const (
	byGCM    sealing = iota // RFC 5288, RFC 5289
	byChaCha                // RFC 7905
	byCCM                   // RFC 6655, RFC 7251
	byCBC                   // RFC 5246 section 6.2.3.2
)

// suite is a cipher suite that can be decrypted.
type suite struct {
	by    sealing
	key   int              // bytes
	tag   int              // bytes at the end of a record by CCM
	block int              // bytes of one by CBC
	mac   func() hash.Hash // by CBC
	hash  func() hash.Hash // that keys are derived by
}

// suiteOf knows a suite by what its name ends with: how keys are exchanged
// does not count where their secret is known.
func suiteOf(id int) (suite, bool) {
	name := suiteNames()[id]
	if _, after, ok := strings.Cut(name, "_WITH_"); ok {
		name = after
	}
	s, ok := sealings()[strings.TrimPrefix(name, "TLS_")]
	return s, ok
}

func sealings() map[string]suite {
	return map[string]suite{
		"AES_128_GCM_SHA256":       {by: byGCM, key: 16, hash: sha256.New},
		"AES_256_GCM_SHA384":       {by: byGCM, key: 32, hash: sha512.New384},
		"CHACHA20_POLY1305_SHA256": {by: byChaCha, key: 32, hash: sha256.New},
		"AES_128_CCM":              {by: byCCM, key: 16, tag: 16, hash: sha256.New},
		"AES_256_CCM":              {by: byCCM, key: 32, tag: 16, hash: sha256.New},
		"AES_128_CCM_8":            {by: byCCM, key: 16, tag: 8, hash: sha256.New},
		"AES_256_CCM_8":            {by: byCCM, key: 32, tag: 8, hash: sha256.New},
		"AES_128_CCM_SHA256":       {by: byCCM, key: 16, tag: 16, hash: sha256.New},
		"AES_128_CCM_8_SHA256":     {by: byCCM, key: 16, tag: 8, hash: sha256.New},
		"AES_128_CBC_SHA":          {by: byCBC, key: 16, block: 16, mac: sha1.New, hash: sha256.New},
		"AES_256_CBC_SHA":          {by: byCBC, key: 32, block: 16, mac: sha1.New, hash: sha256.New},
		"AES_128_CBC_SHA256":       {by: byCBC, key: 16, block: 16, mac: sha256.New, hash: sha256.New},
		"AES_256_CBC_SHA256":       {by: byCBC, key: 32, block: 16, mac: sha256.New, hash: sha256.New},
		"AES_256_CBC_SHA384":       {by: byCBC, key: 32, block: 16, mac: sha512.New384, hash: sha512.New384},
		"3DES_EDE_CBC_SHA":         {by: byCBC, key: 24, block: 8, mac: sha1.New, hash: sha256.New},
	}
}
