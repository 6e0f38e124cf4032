# packages: python3-flask
from flask import Flask, jsonify, request
app=Flask(__name__)
@app.route('/x',methods=['POST'])
def x(): return jsonify(n=request.json['n']+1)
print(app.test_client().post('/x',json={'n':1}).json)
