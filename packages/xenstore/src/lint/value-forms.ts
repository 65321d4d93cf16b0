/** What the value of a node can look like (xenstore-paths, "VALUES"), by the name it has in the rules. */
const FORMS = {
  '""': /^$/,
  STRING: /^/,
  PATH: /^(?:\/[-\w@]+)+$/,
  INTEGER: /^-?\d+$/,
  MEMKB: /^\d+$/,
  EVTCHN: /^\d+$/,
  GNTREF: /^\d+$/,
  FLAG: /^[01]$/,
  STATE: /^[0-8]$/,
  MODE: /^[rw]$/,
  AVAILABILITY: /^(?:online|offline)$/,
  COMMAND: /^(?:poweroff|reboot|suspend|halt|crash|s3|s4)$/,
  UUID: /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/,
  MAC_ADDRESS: /^[\da-f]{2}(?::[\da-f]{2}){5}$/i,
  SECONDS: /^\d+\.\d+$/,
} as const satisfies Record<string, RegExp>;

/** A form by its name. */
export type FormName = keyof typeof FORMS;

/** Whether `value` has the form, or one of the forms with | between. */
export const hasForm = (value: string, form: string): boolean =>
  form.split('|').some((name) => FORMS[name as FormName].test(value));
