package replay

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/perfd/perfd/client"
)

const maxUsersFile = 4 << 20

// entry is a user in a file: a login alone, or one with where its password is.
type entry struct {
	Login        string `yaml:"login"`
	Password     string `yaml:"password"`
	PasswordEnv  string `yaml:"password_env"`
	PasswordFile string `yaml:"password_file"`
}

// ReadUsers reads a file that says who stands in for whom, as YAML: a captured login, its alias, a session's or a user's
// id, and beside it a login of the target, or login and one of password, password_env and password_file. "*" is all others.
func ReadUsers(text []byte, env func(string) string) (map[string]User, error) {
	if len(text) > maxUsersFile {
		return nil, fmt.Errorf("read users: more than %d bytes", maxUsersFile)
	}
	var loose map[string]any
	if err := yaml.Unmarshal(text, &loose); err != nil {
		return nil, fmt.Errorf("read users: %s", strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	users := make(map[string]User, len(loose))
	for name, v := range loose {
		u, err := userOf(v, env)
		if err != nil {
			return nil, fmt.Errorf("read users: %s: %w", name, err)
		}
		users[name] = u
	}
	return users, nil
}

func userOf(v any, env func(string) string) (User, error) {
	if login, ok := v.(string); ok {
		return User{Login: login}, nil
	}
	text, err := yaml.Marshal(v)
	if err != nil {
		return User{}, errors.New("want a login, or login and password")
	}
	var e entry
	if err := yaml.UnmarshalWithOptions(text, &e, yaml.DisallowUnknownField()); err != nil {
		return User{}, errors.New("want a login, or login with one of password, password_env and password_file")
	}
	switch {
	case e.PasswordEnv != "":
		if e.Password = env(e.PasswordEnv); e.Password == "" {
			return User{}, fmt.Errorf("%s is not set", e.PasswordEnv)
		}
	case e.PasswordFile != "":
		b, err := os.ReadFile(e.PasswordFile)
		if err != nil {
			return User{}, fmt.Errorf("read password: %w", err)
		}
		e.Password = strings.TrimRight(string(b), "\r\n")
	}
	return User{e.Login, client.Secret(e.Password)}, nil
}
