/*
 * The Gregorian calendar, in UTC (ctime(3), timegm(3)): days are counted from 1 March, so that the leap day is the last
 * of its year.
 */

/** A date and time of day. Month 1 … 12, weekday 0 … 6 from Sunday. */
export interface Calendar {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly weekday: number;
}

const DAY_S = 86_400;
/** Days from 1 March of the year 0 to 1970-01-01. */
const EPOCH_DAY = 719_468;
const DAYS_400 = 146_097;
const NAMES = 'Sun Mon Tue Wed Thu Fri Sat'.split(' ');
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** The date of a number of seconds since 1970. */
export const calendarOf = (seconds: number): Calendar => {
  const days = Math.floor(seconds / DAY_S);
  const rest = seconds - days * DAY_S;
  const day = days + EPOCH_DAY;
  const era = Math.floor(day / DAYS_400);
  const ofEra = day - era * DAYS_400;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36524) - Math.floor(ofEra / 146096)) /
      365,
  );
  const ofYear =
    ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1,
    hour: Math.floor(rest / 3600),
    minute: Math.floor(rest / 60) % 60,
    second: rest % 60,
    weekday: (((days + 4) % 7) + 7) % 7,
  };
};

/** Seconds since 1970 of a date. */
export const secondsOf = (date: Omit<Calendar, 'weekday'>): number => {
  const year = date.month <= 2 ? date.year - 1 : date.year;
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const ofYear = Math.floor((153 * ((date.month + 9) % 12) + 2) / 5) + date.day - 1;
  const ofEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + ofYear;
  const days = era * DAYS_400 + ofEra - EPOCH_DAY;
  return days * DAY_S + date.hour * 3600 + date.minute * 60 + date.second;
};

const two = (n: number): string => String(n).padStart(2, '0');

/** As date(1) prints it: `Thu Jan  1 00:00:00 UTC 2026`. */
export const dateText = (seconds: number): string => {
  const c = calendarOf(seconds);
  const day = String(c.day).padStart(2);
  return `${NAMES[c.weekday]} ${MONTHS[c.month - 1]} ${day} ${two(c.hour)}:${two(c.minute)}:${two(c.second)} UTC ${c.year}`;
};

/** Reads `[[cc]yy]mmddHHMM[.SS]`, what is left out taken from `now`. @returns seconds since 1970, or undefined */
export const parseDate = (text: string, now: number): number | undefined => {
  const match = /^(\d{4}|\d{2})?(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?$/.exec(text);
  if (match === null) return undefined;
  const [, y, month, day, hour, minute, second] = match;
  const { year: thisYear } = calendarOf(now);
  const year =
    y === undefined
      ? thisYear
      : y.length === 4
        ? Number(y)
        : (Number(y) < 69 ? 2000 : 1900) + Number(y);
  const wanted = {
    year,
    month: Number(month),
    day: Number(day),
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second ?? 0),
  };
  const seconds = secondsOf({ ...wanted, month: Math.min(Math.max(wanted.month, 1), 12) });
  // A date that does not come back was none: the 30th of February, 24:00.
  const again = calendarOf(seconds);
  const same = Object.entries(wanted).every(
    ([key, value]) => again[key as keyof Calendar] === value,
  );
  return same ? seconds : undefined;
};
