/*
 * The requests on domains. All but GET_DOMAIN_PATH are dom0's; XS_INTRODUCE's frame number is signed decimal.
 */
import { type Answer, type Call, leadingNumber, onlyString } from './call.ts';
import type { Domain } from './domain-table.ts';
import { payloadOf, stringsOf } from './latin1.ts';
import { homeOf } from './path.ts';
import type { ErrorName } from './xenstore-error.ts';

const DOMID_SELF = 0x7ff0;

/** XS_INTRODUCE: `<domid>|<mfn>|<port>|`. */
export const introduce = (call: Call): Answer => {
  const words = stringsOf(call.payload, 3);
  if (words.length < 3) return 'EINVAL';
  const [domid, mfn, port] = words.map(leadingNumber) as [number, number, number];
  if (port <= 0) return 'EINVAL';
  if (domid < 0 || domid >= DOMID_SELF || !call.daemon.domains.exists(domid)) return 'ENOENT';
  return call.daemon.domains.introduce(domid, mfn, port);
};

/** The introduced domain that the payload names; never dom0. */
const domainOf = (call: Call): Domain | ErrorName => {
  const word = onlyString(call.payload);
  if (word === undefined) return 'EINVAL';
  const domid = leadingNumber(word);
  if (domid === 0) return 'EINVAL';
  return call.daemon.domains.get(domid) ?? 'ENOENT';
};

/** XS_RELEASE: `<domid>|`. */
export const release = (call: Call): Answer => {
  const domain = domainOf(call);
  if (typeof domain === 'string') return domain;
  call.daemon.domains.died(domain.domid);
  return undefined;
};

/** XS_RESUME: `<domid>|`; its next shutdown is told of again. */
export const resume = (call: Call): Answer => {
  const domain = domainOf(call);
  if (typeof domain === 'string') return domain;
  domain.shutdown = false;
  return undefined;
};

/** XS_SET_TARGET: `<domid>|<target>|`; the first gets what the second may do. */
export const setTarget = (call: Call): Answer => {
  const words = stringsOf(call.payload, 2);
  if (words.length < 2) return 'EINVAL';
  const [domid, target] = words.map(leadingNumber) as [number, number];
  const { domains } = call.daemon;
  const domain = domains.get(domid);
  if (domain === undefined || !domains.has(target)) return 'ENOENT';
  domain.target = target;
  return undefined;
};

/** XS_GET_DOMAIN_PATH: `<domid>|` gives `/local/domain/<domid>|`, be there such a domain or not. */
export const getDomainPath = (call: Call): Answer => {
  const word = onlyString(call.payload);
  if (word === undefined) return 'EINVAL';
  return payloadOf([homeOf(leadingNumber(word) >>> 0)]);
};

/** XS_IS_DOMAIN_INTRODUCED: `<domid>|` gives `T|` or `F|`. */
export const isDomainIntroduced = (call: Call): Answer => {
  const word = onlyString(call.payload);
  if (word === undefined) return 'EINVAL';
  const domid = leadingNumber(word);
  return payloadOf([domid === DOMID_SELF || call.daemon.domains.has(domid) ? 'T' : 'F']);
};
