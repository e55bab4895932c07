/** All that a statement of the console may name. What is not here is refused, so that a new Postgres adds nothing by itself. */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

export const SCHEMA = 'warehouse'

/** The views of schema `warehouse` with their columns. */
export const RELATIONS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['sites', words('site_id name provider time_zone')],
  [
    'top_daily',
    words(`
      site_id provider dimension window_start window_end rank key value source fetched_at sampling completeness
    `),
  ],
  ['runs', words('run_id kind state attempt reason created_at finished_at run_state')],
  ['findings', words('site_id provider kind subject level detail first_seen last_seen resolved_at')],
  ...['metrics_hourly', 'metrics_daily'].map(
    (name) =>
      [
        name,
        words(
          'site_id provider metric window_start window_end value unit source fetched_at sampling completeness corrected_at previous_value',
        ),
      ] as const,
  ),
])

/**
 * Pure, and bounded by their arguments. None reads a setting, a catalogue, a file or the clock of a session; none sleeps, locks, signals,
 * evaluates text (`query_to_xml`), matches a regular expression, or makes long text of short (`repeat`, `lpad`).
 */
export const FUNCTIONS = words(`
  count sum avg min max string_agg bool_and bool_or every corr stddev stddev_pop stddev_samp variance var_pop var_samp
  percentile_cont percentile_disc mode
  row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
  abs ceil ceiling floor round trunc sign sqrt exp ln log mod width_bucket
  lower upper initcap length char_length substr substring left right btrim ltrim rtrim split_part strpos position
  starts_with concat concat_ws
  now date_trunc date_part date_bin extract age make_date timezone to_char generate_series
`)

export const TYPES = words(`
  int2 int4 int8 numeric float4 float8 text varchar bpchar bool date time timestamp timestamptz interval uuid
`)

export const OPERATORS = words('= <> != < > <= >= + - * / % || ~~ !~~ ~~* !~~*')
