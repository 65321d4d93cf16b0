export { CtrlIf, type CtrlIfStart } from './ctrl-if.ts';
export { ctrl_if_data } from './ctrl-if-data.ts';
export { CALLBACK_IN_BLOCKING_CONTEXT } from './ctrl-if-rx.ts';
export { ctrlIfText, DRAIN_TICKS } from './ctrl-if-text.ts';
export { CMSG_MAX, type CtrlIfKern, TX_TIMEOUT_TICKS } from './ctrl-if-tx.ts';
export { ECONNRESET, ETIMEDOUT } from './errno.ts';
export { CtrlIfShutdown, ctrl_if_shutdown_data, ctrlIfShutdownText } from './shutdown.ts';
