package inspect

import (
	"cmp"
	"slices"
)

// Finding is one thing that is wrong, or worth knowing.
type Finding struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	What     string   `json:"what"`             // what came
	Due      string   `json:"due,omitempty"`    // what was due
	Hint     string   `json:"hint,omitempty"`   // what to do
	Clause   string   `json:"clause,omitempty"` // of the specification whose rule it is
	// Certificate is the number of the certificate in the chain, from 1; 0
	// where the finding is about none.
	Certificate int `json:"certificate,omitempty"`
	// TLS says that the finding is about TLS.
	TLS bool `json:"tls,omitempty"`

	opening bool // it is about the opening handshake
}

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // broken now
	Warning Severity = "warning" // works, and costs or will break
	Note    Severity = "note"    // worth knowing; nothing is wrong
)

var weight = map[Severity]int{Error: 0, Warning: 1, Note: 2}

// The identifiers of findings. They may be added to, never changed. Those about
// a WebSocket's rules are the rules' own.
const (
	AddressFailed = "address_failed"      // one address of several does not connect
	PeerReset     = "reset"               // the peer reset the connection
	PeerClosed    = "closed_at_once"      // the peer ended without a word
	NoAnswer      = "no_answer"           // a datagram brought no answer
	SocketOpen    = "socket_open_to_all"  // every local user may use the socket
	Retransmitted = "retransmits"         // packets were lost
	Expired       = "expired"             // a certificate's time is over
	NotYetValid   = "not_yet_valid"       // or has not come
	ExpiresSoon   = "expires_soon"        //
	SelfSigned    = "self_signed"         // and not trusted
	UnknownCA     = "unknown_authority"   //
	WrongName     = "wrong_name"          //
	WrongUse      = "wrong_use"           // the certificate is not for servers
	NotAuthority  = "not_an_authority"    // a certificate that may not sign did
	Untrusted     = "untrusted"           // anything else that verifying said
	WeakKey       = "weak_key"            //
	WeakSignature = "weak_signature"      //
	Disordered    = "out_of_order"        // a certificate did not sign the one before it
	Unused        = "unused_certificate"  // sent, and part of no chain
	PinMismatch   = "pin_mismatch"        //
	OldVersion    = "old_version"         // TLS 1.1 or older
	WeakCipher    = "weak_cipher"         //
	NoSecrecy     = "no_forward_secrecy"  //
	NoALPN        = "no_alpn"             // offered, and the server took none
	WantsClient   = "client_certificate"  // the server asked for one
	Alert         = "tls_alert"           // the server ended TLS with an alert
	NotClosed     = "no_close_notify"     // TLS ended without its own end
	NoCertificate = "no_certificate_sent" // the server showed none
	NoPong        = "no_pong"             // a ping was not answered

	CloseUnanswered = "close_unanswered" // nor was a close frame
)

// sortFindings puts the worst first and keeps the order otherwise.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int { return cmp.Compare(weight[a.Severity], weight[b.Severity]) })
}

// Worst returns the first of the worst findings that are more than notes; nil
// if there is none. The worst is an error of TLS, then any other error.
func (r *Report) Worst() *Finding {
	var worst *Finding
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Severity != Note && (worst == nil || f.rank() < worst.rank()) {
			worst = f
		}
	}
	return worst
}

func (f *Finding) rank() int {
	if f.Severity == Error && f.TLS {
		return -1
	}
	return weight[f.Severity]
}

// Count returns how many findings have severity s.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

func (r *Report) add(list ...Finding) { r.Findings = append(r.Findings, list...) }
