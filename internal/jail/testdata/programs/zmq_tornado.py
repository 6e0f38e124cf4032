# packages: python3-zmq
import zmq
c=zmq.Context(); a=c.socket(zmq.PAIR); p=a.bind_to_random_port('tcp://127.0.0.1'); b=c.socket(zmq.PAIR); b.connect(f'tcp://127.0.0.1:{p}'); b.send(b'x'); print(a.recv())
