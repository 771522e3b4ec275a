"""The dispatcher and one worker of tf.data service, in one process. Prints its address."""

import threading

import tensorflow as tf

service = tf.data.experimental.service
dispatcher = service.DispatchServer(service.DispatcherConfig(port=0))
address = dispatcher.target.split("://")[1]
worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
print(address, flush=True)
threading.Event().wait()
