# packages: python3-sympy
# varies: (?s)Traceback.*(Error|Pool): 
from sympy import *
x,y=symbols('x y'); print(integrate(exp(-x**2),(x,-oo,oo)), solve(x**3-1,x), series(sin(x),x,0,6)); print(Matrix([[1,2],[3,4]]).eigenvals(), N(pi,50))
e=x
for i in range(300): e=sin(e)+1
print(len(str(diff(e,x)))>100); print(factorint(2**64-1)); print(lambdify(x,x**2)(3), latex(Integral(x)))
import sys; sys.setrecursionlimit(20000)
def f(n): return 0 if n==0 else 1+f(n-1)
print(f(15000))
