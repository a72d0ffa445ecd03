package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// statement is a prepared statement of the writer's connection that is run for each call: by the driver itself, since
// database/sql takes longer to look at the arguments than SQLite to store some of them. They have to be what
// a driver takes: int64, float64, bool, string or []byte.
type statement struct {
	conn *sql.Conn
	stmt driver.Stmt
	run  driver.StmtExecContext
	step func(any) error
	args []driver.NamedValue
}

func (s *statement) prepare(conn *sql.Conn, text string) error {
	s.conn = conn
	s.step = func(any) error {
		_, err := s.run.ExecContext(context.Background(), s.args)
		return err
	}
	err := conn.Raw(func(c any) (err error) {
		p, ok := c.(driver.ConnPrepareContext)
		if !ok {
			return errors.ErrUnsupported
		}
		if s.stmt, err = p.PrepareContext(context.Background(), text); err != nil {
			return err
		}
		if s.run, ok = s.stmt.(driver.StmtExecContext); !ok {
			return errors.Join(errors.ErrUnsupported, s.stmt.Close())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare %q: %w", text, err)
	}
	return nil
}

func (s *statement) exec(args ...any) error {
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s.conn.Raw(s.step)
}

func (s *statement) close() error {
	if s.stmt == nil {
		return nil
	}
	return s.conn.Raw(func(any) error { return s.stmt.Close() })
}
