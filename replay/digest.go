package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// digest is Call.Digest of an answer.
func digest(_ *load.Call, result json.RawMessage) string {
	v, err := jsontree.Parse(result, jsontree.Config{})
	if err != nil {
		return ""
	}
	v.Sort()
	sum := sha256.Sum256(v.Append(nil))
	return hex.EncodeToString(sum[:16])
}
