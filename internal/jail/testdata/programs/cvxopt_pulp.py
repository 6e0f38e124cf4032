# packages: python3-cvxopt python3-pulp coinor-cbc
import cvxopt, pulp
print(cvxopt.solvers.lp(cvxopt.matrix([1.,1.]),cvxopt.matrix([[-1.,0.],[0.,-1.]]),cvxopt.matrix([0.,0.]),options={'show_progress':False})['status'])
p=pulp.LpProblem('a',pulp.LpMaximize); x=pulp.LpVariable('x',0,4); p+=x; print(pulp.LpStatus[p.solve(pulp.PULP_CBC_CMD(msg=0))])
