/*
 * How a request to suspend ends, however it was made: by xenstore (suspend-request.ts) or by a control message (suspend-message.ts). The
 * words are libxl's (libxl_dom_suspend.c).
 */
import { SHUTDOWN_suspend } from '@port-xen/abi';
import { ToolstackError } from './toolstack-error.ts';

/** How long a guest may take for each step. */
export const SUSPEND_PATIENCE_NS = 60_000_000_000;

/** The domain shut down while it was to suspend. @returns null when that was what it was asked for */
export const outcomeOf = (reason: number): ToolstackError | null =>
  reason === SHUTDOWN_suspend
    ? null
    : new ToolstackError(
        `guest we were suspending has shut down with unexpected reason code ${reason}`,
      );

export const suspendTimedOut = (): ToolstackError =>
  new ToolstackError('guest did not suspend, timed out');

export const suspendDestroyed = (): ToolstackError =>
  new ToolstackError('guest we were suspending has been destroyed');
