export type { XenbusStart } from './comms.ts';
export { numberOf, putString, XS_STRING_MAX } from './guest-string.ts';
export { shutdownText } from './shutdown-xenbus.ts';
export { Xenbus, type XenbusDriver, type XenbusKern } from './xenbus.ts';
export { xenbus_data, xenbus_device } from './xenbus-data.ts';
export { xenbusText } from './xenbus-text.ts';
export { XS_EAGAIN } from './xs-errno.ts';
export { xsText } from './xs-text.ts';
