export { warmUp } from './warm-up.ts';
export { WatchStream } from './watch-stream.ts';
export { XenstoreClient } from './xenstore-client.ts';
export { XenstoreServer } from './xenstore-server.ts';
