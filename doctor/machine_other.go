//go:build !linux

package doctor

import (
	"errors"
	"os"
)

func ownCapabilities() (capabilities, error) { return 0, errors.ErrUnsupported }

func clock() (clockState, error) { return clockState{}, errors.ErrUnsupported }

func diskFree(string) (int64, error) { return 0, errors.ErrUnsupported }

func listening() (map[uint16]bool, error) { return nil, errors.ErrUnsupported }

func memoryLimit() (int64, string, error) { return 0, "", errors.ErrUnsupported }

// writable looks at the permission bits alone.
func writable(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o222 == 0 {
		return os.ErrPermission
	}
	return err
}
