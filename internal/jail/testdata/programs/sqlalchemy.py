# packages: python3-sqlalchemy
from sqlalchemy import *
from sqlalchemy.orm import declarative_base, Session
B=declarative_base()
class U(B):
    __tablename__='u'; id=Column(Integer,primary_key=True); n=Column(String)
for url in('sqlite://','sqlite:///f.db'):
    e=create_engine(url); B.metadata.create_all(e)
    with Session(e) as s: s.add(U(n='x')); s.commit(); print(s.query(U).count())
