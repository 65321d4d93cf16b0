import { UserError } from './user-error.ts';

/** The moment at which a run is saved. */
export type When =
  | { readonly kind: 'io'; readonly count: number }
  | { readonly kind: 'ns'; readonly time_ns: number }
  | { readonly kind: 'event'; readonly count: number }
  | { readonly kind: 'console'; readonly text: string };

/** Reads io:N, ns:N, event:N or console:TEXT. @throws UserError */
export const parseWhen = (text: string): When => {
  const colon = text.indexOf(':');
  const kind = text.slice(0, colon);
  const value = text.slice(colon + 1);
  if (kind === 'console' && value !== '') return { kind, text: value };
  if (/^\d+$/.test(value) && Number.isSafeInteger(Number(value))) {
    if (kind === 'io' || kind === 'event') return { kind, count: Number(value) };
    if (kind === 'ns') return { kind, time_ns: Number(value) };
  }
  throw new UserError(
    `expected --at io:N, ns:N, event:N or console:TEXT, found ${JSON.stringify(text)}`,
  );
};

/** As a person would say it. */
export const describeWhen = (when: When): string => {
  switch (when.kind) {
    case 'io':
      return `${when.count} block requests were completed`;
    case 'ns':
      return `${when.time_ns} ns had passed`;
    case 'event':
      return `event ${when.count} of the world`;
    case 'console':
      return `the console showed ${JSON.stringify(when.text)}`;
  }
};
