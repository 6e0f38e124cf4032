# packages: python3-cryptography
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives import hashes, serialization
k=Fernet.generate_key(); f=Fernet(k); print(f.decrypt(f.encrypt(b'x'))); p=rsa.generate_private_key(65537,2048); print(len(p.private_bytes(serialization.Encoding.PEM,serialization.PrivateFormat.PKCS8,serialization.NoEncryption()))>1000)
import ssl,hashlib; print(hashlib.scrypt(b'a',salt=b'b',n=1024,r=8,p=1).hex()[:8])
