package cache

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/vmihailenco/msgpack/v5"
)

// Serializer is the form of entries outside the process.
type Serializer string

// The serializers. JSON is for people who look into a Redis, and for other programs; MessagePack is faster.
const (
	JSON        Serializer = "json"
	MessagePack Serializer = "msgpack"
)

// envelope is an entry outside the process. Its times are milliseconds since 1970; fresh is 0 for ever.
type envelope struct {
	value         []byte
	stored, fresh int64
}

var (
	errEnvelope = errors.New("not an entry of a cache")
	errSealed   = errors.New("cannot be decrypted with the keys that are configured")
)

// What an envelope begins with, in each form.
const (
	leadJSON   = '{'
	leadPack   = 0x93 // an array of three
	leadSealed = 0x01
)

// codec writes envelopes in one form and reads all forms.
type codec struct {
	form  Serializer
	seals []cipher.AEAD
}

func newCodec(form Serializer, keys [][]byte) (codec, error) {
	c := codec{form: form}
	for i, k := range keys {
		block, err := aes.NewCipher(k)
		if err != nil {
			return c, fmt.Errorf("use encryption key %d: it has %d bytes, not 16, 24 or 32", i+1, len(k))
		}
		seal, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return c, fmt.Errorf("use encryption key %d: %w", i+1, err)
		}
		c.seals = append(c.seals, seal)
	}
	return c, nil
}

// encode writes an envelope that is to stand under key.
func (c codec) encode(key string, e envelope) ([]byte, error) {
	b := make([]byte, 0, len(e.value)+96)
	var err error
	if c.form == JSON {
		b = appendJSON(b, e)
	} else if b, err = appendPack(b, e); err != nil {
		return nil, err
	}
	if len(c.seals) > 0 { // bound to the key, so that no entry can take another's place
		b = c.seals[0].Seal([]byte{leadSealed}, nil, b, []byte(key))
	}
	return b, nil
}

// decode reads an envelope. Its value is a part of b.
func (c codec) decode(key string, b []byte) (envelope, error) {
	if len(b) > 0 && b[0] == leadSealed {
		plain, err := c.open(key, b[1:])
		if err != nil {
			return envelope{}, err
		}
		b = plain
	} else if len(c.seals) > 0 { // somebody without a key wrote it
		return envelope{}, errSealed
	}
	if len(b) == 0 {
		return envelope{}, errEnvelope
	}
	switch b[0] {
	case leadJSON:
		return readJSON(b)
	case leadPack:
		return readPack(b)
	}
	return envelope{}, errEnvelope
}

func (c codec) open(key string, b []byte) ([]byte, error) {
	for _, s := range c.seals {
		if plain, err := s.Open(nil, nil, b, []byte(key)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

func appendPack(b []byte, e envelope) ([]byte, error) {
	w := bytes.NewBuffer(b)
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(w)
	err := errors.Join(enc.EncodeArrayLen(3), enc.EncodeInt(e.stored), enc.EncodeInt(e.fresh), enc.EncodeBytes(nonNil(e.value)))
	return w.Bytes(), err
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// readOwnPack reads the form that appendPack writes of entries that expire: two numbers of 64 bits, and bytes.
func readOwnPack(b []byte) (e envelope, ok bool) {
	const uint64Lead, bin8, bin16, bin32, head = 0xcf, 0xc4, 0xc5, 0xc6, 19
	if len(b) < head+2 || b[1] != uint64Lead || b[10] != uint64Lead {
		return e, false
	}
	e.stored, e.fresh = int64(binary.BigEndian.Uint64(b[2:])), int64(binary.BigEndian.Uint64(b[11:]))
	n, lead := -1, 0
	switch {
	case b[head] == bin8:
		n, lead = int(b[head+1]), 2
	case b[head] == bin16 && len(b) >= head+3:
		n, lead = int(binary.BigEndian.Uint16(b[head+1:])), 3
	case b[head] == bin32 && len(b) >= head+5:
		n, lead = int(binary.BigEndian.Uint32(b[head+1:])), 5
	}
	e.value = b[head+lead:]
	return e, n == len(e.value)
}

func readPack(b []byte) (envelope, error) {
	if e, ok := readOwnPack(b); ok {
		return e, nil
	}
	r := bytes.NewReader(b)
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	dec.Reset(r)
	var e envelope
	var err error
	if _, err = dec.DecodeArrayLen(); err != nil {
		return envelope{}, errEnvelope
	}
	if e.stored, err = dec.DecodeInt64(); err != nil {
		return envelope{}, errEnvelope
	}
	if e.fresh, err = dec.DecodeInt64(); err != nil {
		return envelope{}, errEnvelope
	}
	n, err := dec.DecodeBytesLen()
	if err != nil || n < 0 || n != r.Len() {
		return envelope{}, errEnvelope
	}
	e.value = b[len(b)-n:]
	return e, nil
}

// checksum is the XXH64 of a value in hexadecimal.
func checksum(value []byte) []byte {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(value))
	return hex.AppendEncode(make([]byte, 0, 16), sum[:])
}

// appendJSON writes a value that is JSON as it stands, so that people can read it, and any other in base64. The checksum
// saves readers who find it right from looking whether the value is JSON; it need not be there, nor be right.
func appendJSON(b []byte, e envelope) []byte {
	b = strconv.AppendInt(append(b, `{"stored":`...), e.stored, 10)
	b = strconv.AppendInt(append(b, `,"fresh":`...), e.fresh, 10)
	if json.Valid(e.value) && len(bytes.TrimSpace(e.value)) == len(e.value) {
		b = append(append(b, `,"xxh64":"`...), checksum(e.value)...)
		b = append(append(b, `","value":`...), e.value...)
	} else {
		b = base64.StdEncoding.AppendEncode(append(b, `,"bytes":"`...), e.value)
		b = append(b, '"')
	}
	return append(b, '}')
}

// readOwn reads the form that appendJSON writes, in one pass.
func readOwn(b []byte) (e envelope, ok bool) {
	number := func(lead string) (n int64) {
		if !bytes.HasPrefix(b, []byte(lead)) {
			ok = false
			return 0
		}
		b = b[len(lead):]
		i := 0
		for i < len(b) && i < 18 && '0' <= b[i] && b[i] <= '9' {
			n = 10*n + int64(b[i]-'0')
			i++
		}
		b = b[i:]
		return n
	}
	ok = true
	e.stored = number(`{"stored":`)
	e.fresh = number(`,"fresh":`)
	var sum []byte
	const check, digits = `,"xxh64":"`, 16
	if n := len(check) + digits + 1; bytes.HasPrefix(b, []byte(check)) && len(b) >= n {
		sum, b = b[len(check):n-1], b[n:]
	}
	const lead = `,"value":`
	if !ok || !bytes.HasPrefix(b, []byte(lead)) || b[len(b)-1] != '}' {
		return e, false
	}
	e.value = b[len(lead) : len(b)-1]
	return e, sum != nil && bytes.Equal(sum, checksum(e.value)) || json.Valid(e.value)
}

func readJSON(b []byte) (envelope, error) {
	if e, ok := readOwn(b); ok {
		return e, nil
	}
	var v struct {
		Stored int64           `json:"stored"`
		Fresh  int64           `json:"fresh"`
		Value  json.RawMessage `json:"value"`
		Bytes  *[]byte         `json:"bytes"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return envelope{}, errEnvelope
	}
	e := envelope{stored: v.Stored, fresh: v.Fresh, value: v.Value}
	switch {
	case v.Bytes != nil:
		e.value = *v.Bytes
	case v.Value == nil:
		return envelope{}, errEnvelope
	}
	return e, nil
}

// EncryptionKeysFromEnv reads keys for RedisConfig.EncryptionKeys from an environment variable: in base64 or hex,
// several separated by commas. There are none if it is not set. The errors do not show the keys.
func EncryptionKeysFromEnv(name string) ([][]byte, error) {
	var keys [][]byte
	for part := range strings.SplitSeq(os.Getenv(name), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, err := hex.DecodeString(part)
		if err != nil {
			key, err = base64.StdEncoding.DecodeString(part)
		}
		if err != nil || (len(key) != 16 && len(key) != 24 && len(key) != 32) {
			return nil, fmt.Errorf("read encryption key %d of %s: it is not 16, 24 or 32 bytes in base64 or hex: openssl rand -base64 32 makes one", len(keys)+1, name)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
