-- A payment whose request is traced keeps where it stands in the trace, which calls, callbacks and the settlement continue.
ALTER TABLE provider_attempts ADD COLUMN trace_id BLOB CHECK (length(trace_id) = 16);
ALTER TABLE provider_attempts ADD COLUMN span_id INTEGER;
