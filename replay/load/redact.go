package load

func (w *Writer) redact(c *Call) {}
