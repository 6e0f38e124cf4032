# packages: python3-opencv
import cv2, numpy as np
im=np.zeros((200,200,3),np.uint8); cv2.circle(im,(100,100),50,(0,255,0),-1); cv2.imwrite('c.png',im); g=cv2.cvtColor(cv2.imread('c.png'),cv2.COLOR_BGR2GRAY); e=cv2.Canny(g,50,100); print(cv2.findContours(e,cv2.RETR_EXTERNAL,cv2.CHAIN_APPROX_SIMPLE)[0].__len__(), cv2.GaussianBlur(im,(5,5),0).shape)
w=cv2.VideoWriter('v.avi',cv2.VideoWriter_fourcc(*'MJPG'),10,(200,200)); [w.write(im) for _ in range(5)]; w.release(); print(cv2.VideoCapture('v.avi').read()[0])
