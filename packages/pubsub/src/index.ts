export { PubSub, type Subscription } from './pubsub.js';
export { channelOf, type Topic, topic } from './topic.js';
