import { randomUUID } from 'node:crypto';
import { features, gossip, shared } from './generated.js';

/** The server version whose protocol is spoken; clients choose features by it. */
export const SERVER_VERSION = '23.10.6';

/** Features that clients ask for by name. */
const featuresOf: Readonly<Record<string, readonly string[]>> = {
  '/event_store.client.streams.Streams/Read': ['position', 'events'],
  '/event_store.client.streams.Streams/BatchAppend': ['deadline_duration'],
};

/** ServerFeatures.GetSupportedMethods: the methods at `paths`, names in lower case as the real server has them. */
export function supportedMethods(paths: Iterable<string>): Uint8Array {
  const answer = new features.SupportedMethods();
  answer.setEventStoreServerVersion(SERVER_VERSION);
  for (const path of paths) {
    const [, service = '', name = ''] = path.split('/');
    const method = new features.SupportedMethod();
    method.setServiceName(service.toLowerCase());
    method.setMethodName(name.toLowerCase());
    method.setFeaturesList([...(featuresOf[path] ?? [])]);
    answer.addMethods(method);
  }
  return answer.serializeBinary();
}

/** Gossip.Read: a cluster of one, which leads. */
export function clusterOfOne(instanceId: string, port: number): Uint8Array {
  const id = new shared.UUID();
  id.setString(instanceId);
  const endPoint = new gossip.EndPoint();
  endPoint.setAddress('127.0.0.1');
  endPoint.setPort(port);
  const member = new gossip.MemberInfo();
  member.setInstanceId(id);
  member.setTimeStamp(String(Date.now() * 10_000));
  member.setState(gossip.MemberInfo.VNodeState.LEADER);
  member.setIsAlive(true);
  member.setHttpEndPoint(endPoint);
  const cluster = new gossip.ClusterInfo();
  cluster.addMembers(member);
  return cluster.serializeBinary();
}

/** A new instance id, one per start. */
export const newInstanceId = (): string => randomUUID();
